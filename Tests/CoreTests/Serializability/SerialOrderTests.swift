import TestSupport
import Testing

/// The check of recorded histories: it accepts all that can be and nothing else.
@Suite struct SerialOrderTests {
    typealias Transaction = RecordedTransaction

    private func problems(_ history: Transaction...) -> [String] {
        SerialOrder(history).problems
    }

    @Test("A good history has an order, by values or by time")
    func good() {
        let write = Transaction("a", 10, 20, [.read(0, 0), .write(0, 1)])
        let beside = Transaction("b", 15, 30, [.read(0, 0)])
        let later = Transaction("c", 21, 30, [.read(0, 1)])
        #expect(problems(write, beside, later) == [])
        #expect(
            SerialOrder([Transaction("a", 1, 2, [.read(7, 5)])], initial: [7: 5]).problems == [])
        #expect(problems() == [])
    }

    @Test("A stale read is found, and one of what is not there yet")
    func time() {
        let write = Transaction("writer", 10, 20, [.write(0, 1)])
        let stale = problems(write, Transaction("reader", 21, 30, [.read(0, 0)]))
        #expect(stale.count == 1)
        #expect(stale.first?.contains("writer before reader: it ended before reader began") == true)
        #expect(stale.first?.contains("it read the 0 that writer wrote over") == true)
        #expect(problems(write, Transaction("b", 1, 5, [.read(0, 1)])).count == 1)
        // Two writes without reads: only the reader's time tells their order.
        let other = Transaction("other", 21, 25, [.write(0, 2)])
        #expect(problems(write, other, Transaction("b", 15, 30, [.read(0, 1)])) == [])
        #expect(problems(write, other, Transaction("b", 26, 30, [.read(0, 1)])).count == 1)
    }

    @Test("A lost update is found")
    func lostUpdate() {
        let first = Transaction("first", 10, 20, [.read(0, 0), .write(0, 1)])
        let second = Transaction("second", 11, 20, [.read(0, 0), .write(0, 2)])
        #expect(problems(first, second).count == 1)
    }

    @Test("Write skew is found, of two and of three")
    func writeSkew() {
        for count in 2...3 {
            let history = (0..<count).map { index in
                Transaction(
                    "t\(index)", 10, 20,
                    [.read(index, 0), .read((index + 1) % count, 0), .write(index, 1)])
            }
            #expect(SerialOrder(history).problems.count == 1)
            #expect(SerialOrder(Array(history.dropLast())).problems == [])
        }
    }

    @Test("A torn read is found, and the values of a transaction that failed or went on")
    func tornRead() {
        let both = Transaction("both", 10, 20, [.write(0, 1), .write(1, 1)])
        #expect(problems(both, Transaction("r", 12, 20, [.read(0, 1), .read(1, 0)])).count == 1)
        var failed = both
        failed.outcome = .aborted
        #expect(problems(failed, Transaction("r", 12, 20, [.read(0, 0)])) == [])
        #expect(problems(failed, Transaction("r", 12, 20, [.read(0, 1)])).count == 1)
        let passing = Transaction("passing", 10, 20, [.write(0, 1), .write(0, 2)])
        #expect(problems(passing, Transaction("r", 12, 20, [.read(0, 2)])) == [])
        #expect(problems(passing, Transaction("r", 12, 20, [.read(0, 1)])).count == 1)
        // A transaction that failed saw one version, too.
        let reads: [Transaction.Operation] = [.read(0, 1), .read(1, 0), .write(2, 1)]
        #expect(problems(both, Transaction("r", 12, 20, reads, .aborted)).count == 1)
        #expect(problems(Transaction("r", 1, 2, [.write(0, 1), .read(0, 0)])).count == 1)
        #expect(problems(Transaction("r", 1, 2, [.read(0, 0), .read(0, 0)])) == [])
    }

    @Test("What a killed client did counts wholly from the time when somebody saw it, or never")
    func unknown() {
        let killed = Transaction("k", 10, 20, [.write(0, 1), .write(1, 1)], .unknown)
        let new = Transaction("n", 30, 40, [.read(0, 1), .read(1, 1)])
        let old = Transaction("o", 25, 28, [.read(0, 0), .read(1, 0)])
        let oldLater = Transaction("o", 50, 60, [.read(0, 0), .read(1, 0)])
        #expect(problems(killed, old, new) == [])
        #expect(problems(killed, oldLater) == [])
        #expect(problems(killed, new, oldLater).count == 1)
        #expect(problems(killed, Transaction("n", 30, 40, [.read(0, 1), .read(1, 0)])).count == 1)
    }

    /// Two write register 0 and two write register 1, unread; each order of the ones fits only the
    /// order of the others that it does not fit.
    @Test("What only a search can refuse is refused, with those that block each other")
    func search() {
        var history = (0..<4).map { index in
            let pair = Transaction.Operation.write(index / 2, Int64(index % 2 + 1))
            return Transaction("w\(index)", 10, 50, [pair, .write(index + 2, 1)])
        }
        history += (0..<4).map { index in
            let others = (index < 2 ? [4, 5] : [2, 3]).map { Transaction.Operation.read($0, 1) }
            let own = Transaction.Operation.read(index / 2, Int64(index % 2 + 1))
            return Transaction("r\(index)", 10, 50, [own] + others)
        }
        let problems = SerialOrder(history).problems
        #expect(problems.count == 1)
        #expect(problems.first?.contains("none of these can come next") == true)
        for reader in 4..<8 {
            var fewer = history
            fewer.remove(at: reader)
            #expect(SerialOrder(fewer).problems == [])
        }
    }

    @Test("Small random histories are judged as by trying all orders", arguments: 0..<4)
    func allOrders(run: Int) {
        var random = SeededGenerator(seed: printedSeed("small histories") &+ UInt64(run))
        var counts = (good: 0, bad: 0)
        for _ in 0..<1500 {
            let history = AllOrders.randomHistory(&random)
            let isGood = AllOrders.haveOne(history)
            #expect(SerialOrder(history).problems.isEmpty == isGood, "\(history)")
            if isGood { counts.good += 1 } else { counts.bad += 1 }
        }
        #expect(counts.good > 100 && counts.bad > 100)
    }

    @Test("Random good histories are accepted, and each with one mistake is refused")
    func mutations() {
        let seed = printedSeed("histories with a mistake")
        var random = SeededGenerator(seed: seed)
        for mutation in Mutation.allCases {
            var tried = 0
            for _ in 0..<40 {
                let good = GoodHistory(
                    seed: random.next(), count: 40, processes: Int.random(in: 2...6, using: &random)
                )
                #expect(SerialOrder(good.transactions).problems == [])
                var bad = good.transactions
                guard mutation.apply(to: &bad, &random) else { continue }
                tried += 1
                #expect(!SerialOrder(bad).problems.isEmpty, "\(mutation) in \(bad)")
            }
            #expect(tried > 10, "\(mutation)")
        }
    }

    @Test("A long history with many blind writes is judged at once", arguments: [0, 50, 100])
    func long(blindWrites: Int) {
        let seed = printedSeed("a long history")
        let good = GoodHistory(
            seed: seed, count: 5000, processes: 8, registers: 12, blindWrites: blindWrites)
        #expect(SerialOrder(good.transactions).problems == [])
    }
}
