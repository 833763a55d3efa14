/// A sample of `rainbowfs top` as lines of text, for a terminal of any size or for a pipe.
struct TopView {
    struct Line: Equatable {
        enum Style { case title, head, plain }
        var style: Style
        var text: String
    }

    /// A table with a blank line before it.
    private struct Section {
        var head: [String]
        var rows: [[String]]
        /// Columns of numbers, which are aligned to the right.
        var numbers: Set<Int>

        func lines(rowsMax: Int) -> [Line] {
            let shown = rowsMax < rows.count ? rows.prefix(max(rowsMax - 1, 0)) : rows[...]
            let texts = TextTable.lines(head: head, rows: shown, numbers: numbers)
            var lines = [Line(style: .plain, text: ""), Line(style: .head, text: texts[0])]
            lines += texts.dropFirst().map { Line(style: .plain, text: $0) }
            if shown.count < rows.count {
                lines.append(
                    Line(style: .plain, text: "and \(rows.count - shown.count) more"))
            }
            return lines
        }
    }

    private let titles: [Line]
    private let sections: [Section]

    init(_ sample: TopSample) {
        titles = TopView.titles(sample)
        sections = [
            TopView.nodes(sample), TopView.objects(sample), TopView.pages(sample),
            TopView.transactions(sample), TopView.snapshots(sample),
        ].filter { !$0.rows.isEmpty }
    }

    /// Everything, for a pipe.
    var text: String {
        (titles + sections.flatMap { $0.lines(rowsMax: .max) }).map(\.text).joined(separator: "\n")
    }

    /// What fits: of each table some rows, and no line wider than the terminal.
    func lines(columns: Int, rows: Int) -> [Line] {
        var left = rows - titles.count
        // A table needs a blank line, its head and a row.
        let shown = sections.prefix { _ in
            left -= 3
            return left >= 0
        }
        if shown.count < sections.count { left += 3 }
        var room = shown.map { _ in 1 }
        while let next = shown.indices.filter({ room[$0] < shown[$0].rows.count })
            .min(by: { room[$0] < room[$1] }), left > 0
        {
            room[next] += 1
            left -= 1
        }
        let all = titles + shown.indices.flatMap { shown[$0].lines(rowsMax: room[$0]) }
        return all.prefix(max(rows, 0)).map {
            Line(style: $0.style, text: String($0.text.prefix(max(columns, 0))))
        }
    }
}

extension TopView {
    private static func titles(_ sample: TopSample) -> [Line] {
        var memory = "memory \(ByteText.describe(sample.memoryUsedBytes))"
        if sample.memoryLimitBytes > 0 {
            memory += " of \(ByteText.describe(sample.memoryLimitBytes))"
        }
        let snapshots =
            "snapshots \(sample.snapshots.count), "
            + ByteText.describe(sample.snapshotMemoryUsedBytes)
            + " of \(ByteText.describe(sample.snapshotMemoryLimitBytes))"
        return [
            Line(
                style: .title,
                text: visible("\(sample.space) on \(sample.mountPoint)")),
            Line(style: .plain, text: "version \(sample.version)  \(memory)  \(snapshots)"),
        ]
    }

    private static func nodes(_ sample: TopSample) -> Section {
        var rows = sample.nodes.map { node in
            let label = [node.name, node.mountPoint].first { !$0.isEmpty }
            return [node.number] + node.rates.map { rate($0.perSecond) }
                + [visible(label ?? "process \(node.processID)")]
        }
        if rows.count > 1 {
            let sums = TopSample.counters.indices.map { index -> Double? in
                let rates = sample.nodes.compactMap { $0.rates[index].perSecond }
                return rates.isEmpty ? nil : rates.reduce(0, +)
            }
            rows.insert(["all"] + sums.map { rate($0) } + [""], at: 0)
        }
        return Section(
            head: [
                "NODE", "COMMITS/S", "ABORTS/S", "RESTARTS/S", "CONFLICTS/S", "AVOIDED/S", "MOUNT",
            ], rows: rows, numbers: [1, 2, 3, 4, 5])
    }

    private static func objects(_ sample: TopSample) -> Section {
        Section(
            head: ["OBJECT", "CONFLICTS/MIN", "CLASS", "NAME"],
            rows: sample.objects.map { object in
                [
                    LinkText.path(ofText: object.address), String(object.conflicts),
                    visible(object.kind),
                    object.name.isEmpty ? "" : visible("names/" + object.name),
                ]
            }, numbers: [1])
    }

    private static func pages(_ sample: TopSample) -> Section {
        Section(
            head: ["PAGE", "CONFLICTS/MIN", "REGION"],
            rows: sample.pages.map { [$0.address, String($0.conflicts), visible($0.kind)] },
            numbers: [1])
    }

    private static func transactions(_ sample: TopSample) -> Section {
        Section(
            head: ["TRANSACTION", "NODE", "AGE", "READ", "WRITTEN", "MODE"],
            rows: sample.transactions.map { transaction in
                [
                    visible(transaction.name), transaction.node, age(transaction.ageSeconds),
                    ByteText.describe(transaction.readBytes),
                    ByteText.describe(transaction.writtenBytes),
                    transaction.isSerial ? "serial" : "",
                ]
            }, numbers: [1, 2, 3, 4])
    }

    private static func snapshots(_ sample: TopSample) -> Section {
        Section(
            head: ["SNAPSHOT", "NODE", "AGE", "STATE"],
            rows: sample.snapshots.map {
                [visible($0.name), $0.node, age($0.ageSeconds), $0.isStale ? "stale" : ""]
            }, numbers: [1, 2])
    }

    /// A number a second, as short as can be; a dash where there is none yet.
    static func rate(_ perSecond: Double?) -> String {
        guard let perSecond else { return "-" }
        if perSecond > 0, perSecond < 9.95 { return String((perSecond * 10).rounded() / 10) }
        return String(whole(perSecond.rounded()))
    }

    /// Whatever `metrics` says: what is too large is the largest integer.
    private static func whole(_ number: Double) -> UInt64 {
        UInt64(exactly: number.rounded(.down)) ?? .max
    }

    static func age(_ seconds: Double) -> String {
        let whole = whole(max(seconds, 0))
        return switch whole {
        case ..<60: "\((max(seconds, 0) * 10).rounded(.down) / 10) s"
        case ..<3600: "\(whole / 60) min \(whole % 60) s"
        case ..<86_400: "\(whole / 3600) h \(whole % 3600 / 60) min"
        default: "\(whole / 86_400) d \(whole % 86_400 / 3600) h"
        }
    }

    /// Names are any bytes: those that would steer the terminal are shown as "?".
    static func visible(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            let isControl = scalar.value < 32 || (127..<160).contains(scalar.value)
            result.unicodeScalars.append(isControl ? "?" : scalar)
        }
        return result
    }
}
