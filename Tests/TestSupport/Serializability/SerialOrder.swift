/// Decides whether a recorded history is strictly serializable: whether its transactions have an
/// order in which each saw what those before it wrote, and in which one that ended before another
/// began stands before it.
///
/// Transactions that failed count as well, as ones that only read: what they saw must have been one
/// version too. Of those with an unknown outcome the writes count if somebody saw one of them; if
/// nobody did, an order with them is one without them, so nothing is lost by leaving them out.
///
/// 1. `ObservedHistory`: values that nobody or a failed transaction wrote, or that were
///    overwritten by the transaction itself, and transactions that contradict themselves.
/// 2. `PrecedenceGraph`: who must stand before whom, by time, by values read, and by what follows
///    from that. A cycle is a violation, and its own explanation.
/// 3. `PrefixSearch`: only a history in which transactions write without having read can pass the
///    second step and yet have no order. The search looks at what may be done so far, as Biswas
///    and Enea do (OOPSLA 2019): exact, and polynomial for a fixed number of transactions that
///    overlap in time.
///
/// What it cannot decide: histories that write a value twice (it says so), and searches that visit
/// more than `PrefixSearch.deadEndsMax` dead ends (it says so; none of the recorded workloads came
/// near one). Lists that are appended to are registers here: the appended list is a value.
public struct SerialOrder {
    /// What is wrong, readable; empty if there is an order.
    public let problems: [String]

    /// - Parameter initial: values that registers hold before all transactions, if not 0.
    public init(_ history: [RecordedTransaction], initial: [Int: Int64] = [:]) {
        let observed = ObservedHistory(history, initial: initial)
        guard observed.problems.isEmpty else {
            problems = observed.problems
            return
        }
        var graph = PrecedenceGraph(observed)
        if let cycle = graph.saturate() {
            problems = [graph.explain(cycle, history)]
            return
        }
        var search = PrefixSearch(observed, graph)
        problems = search.problem(history).map { [$0] } ?? []
    }
}
