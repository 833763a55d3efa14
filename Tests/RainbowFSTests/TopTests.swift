import Testing

@testable import RainbowFS

/// What `rainbowfs top` makes of two readings, and how it fits on a screen.
@Suite struct TopTests {
    static let mount = MountedSpace(path: "/mnt/rainbow", space: "demo")

    static func reading(_ commits: [String: UInt64], objects: Int = 0) -> MetricsReading {
        var text = MetricsText()
        text.add(
            "node_info", .gauge, "x",
            commits.keys.sorted().map {
                .init(
                    [("node", $0), ("name", ""), ("pid", "17"), ("mount_point", "/mnt/\($0)")], 1)
            })
        text.add(
            "commits_total", .counter, "x", commits.map { .init([("node", $0.key)], $0.value) })
        text.add(
            "conflicts_total", .counter, "x",
            commits.flatMap { node, count in
                [("true", count / 2), ("false_sharing_avoided", count * 64)].map {
                    .init([("node", node), ("kind", $0.0)], $0.1)
                }
            })
        text.add(
            "object_conflicts", .gauge, "x",
            (0..<objects).map {
                .init([("object", "0x\($0)"), ("class", "Account"), ("name", "n\($0)")], 100 - $0)
            })
        text.add(
            "snapshot_age_seconds", .gauge, "x",
            (0..<objects).map {
                .init(
                    [("snapshot", "s\($0)"), ("node", "0"), ("state", "open")],
                    milliseconds: UInt64($0) * 100_000)
            })
        return MetricsReading(text.text)
    }

    @Test(
        "Rates are differences over the time; a new node counts from 0, whatever was there before")
    func rates() {
        let sample = TopSample(
            Self.mount, Self.reading(["0": 100, "1": 5000]),
            Self.reading(["0": 400, "1": 40, "2": 60]), seconds: 2)
        #expect(sample.nodes.map { $0.rates[0].perSecond } == [150, 20, 30])
        #expect(sample.nodes.map { $0.rates[0].total } == [400, 40, 60])
        #expect(sample.nodes[0].rates[3].perSecond == 75)
        #expect(sample.nodes[0].rates[4].perSecond == 9600)
        let first = TopSample(Self.mount, nil, Self.reading(["0": 100]), seconds: 0)
        #expect(first.nodes[0].rates.allSatisfy { $0.perSecond == nil })
        #expect(first.json.description.contains("\"commits_per_second\": null"))
    }

    @Test("Every label comes back as it was, and lines of others are left out")
    func reading() {
        let names = ["", "a b", "quote\"", "back\\slash", "new\nline", "brace}{", "a=\"b\",c"]
        var text = MetricsText()
        text.add("x", .gauge, "help", names.map { .init([("a", $0), ("b", "z")], 1) })
        let reading = MetricsReading(text.text + "other_metric 5\nrainbowfs_\nrainbowfs_y{a 1\n")
        #expect(reading["x"].map { $0["a"] } == names)
        #expect(reading["x"].allSatisfy { $0["b"] == "z" && $0.count == 1 })
        #expect(reading["y"].isEmpty)
        for value in ["nan", "inf", "x", ""] {
            let sample = MetricsReading("rainbowfs_z \(value)")["z"].first
            #expect(sample?.number ?? 0 == 0 && sample?.count ?? 0 == 0)
        }
    }

    @Test("The view fits into any terminal and shows what it can of each table")
    func fitting() {
        let sample = TopSample(
            Self.mount, nil, Self.reading(["0": 1, "1": 2, "2": 3], objects: 10), seconds: 0)
        let view = TopView(sample)
        for rows in 0...60 {
            for columns in [0, 1, 20, 40, 80, 200] {
                let lines = view.lines(columns: columns, rows: rows)
                #expect(lines.count <= rows)
                #expect(lines.allSatisfy { $0.text.count <= columns })
            }
        }
        let screen = view.lines(columns: 80, rows: 24).map(\.text)
        #expect(screen.count == 24)
        for text in ["demo on /mnt/rainbow", "NODE", "all", "/mnt/2", "names/n0", "SNAPSHOT"] {
            #expect(screen.contains { $0.contains(text) }, "\(text)")
        }
        #expect(screen.count { $0 == "and 5 more" } == 2)
        #expect(view.text.split(separator: "\n").count == 29)
        #expect(!view.text.contains("more"))
    }

    @Test("Names cannot steer the terminal")
    func visible() {
        #expect(TopView.visible("a\u{1b}[2Jb\n\u{9b}ü") == "a?[2Jb??ü")
    }

    @Test(
        "Ages and rates are short",
        arguments: [
            (0.04, "0.0 s", "0.0"), (3.99, "3.9 s", "4.0"), (75, "1 min 15 s", "75"),
            (3720.4, "1 h 2 min", "3720"), (90_000, "1 d 1 h", "90000"),
            (1e300, "213503982334601 d 7 h", "18446744073709551615"),
            (.infinity, "213503982334601 d 7 h", "18446744073709551615"),
        ])
    func texts(number: Double, age: String, rate: String) {
        #expect(TopView.age(number) == age)
        #expect(TopView.rate(number) == rate)
    }
}
