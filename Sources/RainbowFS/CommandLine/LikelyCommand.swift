/// Tells a new space whose name was meant from a command that was mistyped: nothing else says which
/// of the two the first word of a command line is.
enum LikelyCommand {
    /// What people type who know other programs, and the command that does it.
    private static let usualWords = [
        "rm": "destroy", "remove": "destroy", "delete": "destroy", "del": "destroy",
        "list": "ls", "dir": "ls", "stat": "status", "info": "status", "df": "status",
        "check": "fsck", "show": "get", "cat": "get", "read": "get", "print": "get",
        "write": "set", "put": "set", "update": "set", "create": "new", "make": "new",
        "add": "new", "run": "atomic", "exec": "atomic", "follow": "watch", "tail": "watch",
        "events": "watch", "monitor": "top", "benchmark": "bench", "ps": "ls", "usage": "status",
        "touch": "new", "mkdir": "new", "kill": "destroy", "umount": unmounting,
        "unmount": unmounting, "umont": unmounting, "detach": unmounting, "eject": unmounting,
        "stop": unmounting, "end": unmounting,
    ]

    /// What ends a mount, which no command of this program does.
    static let unmounting = "fusermount3 -u"

    /// The command that was probably meant, one of `commands`; nil if the word is like none.
    static func meant(by word: String, among commands: [String]) -> String? {
        let word = word.lowercased()
        if usualWords[word] == unmounting { return unmounting }
        let typed = Array(word.utf8)
        let close = commands.map { ($0, distance(typed, Array($0.utf8))) }
            .filter { $1 <= limit($0, typed) }
        if let nearest = close.min(by: { $0.1 < $1.1 }) { return nearest.0 }
        return usualWords[word].flatMap { commands.contains($0) ? $0 : nil }
    }

    /// Of two letters, one other makes another word; but not one of them twice.
    private static func limit(_ command: String, _ typed: [UInt8]) -> Int {
        switch command.utf8.count {
        case 0...2: Set(typed) == Set(command.utf8) ? 1 : 0
        case 3...5: 1
        default: 2
        }
    }

    /// How many letters were left out, added, replaced or exchanged with the next (R. Damerau, "A
    /// Technique for Computer Detection and Correction of Spelling Errors").
    static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for (i, letter) in a.enumerated() {
            var row = [i + 1]
            for (j, other) in b.enumerated() {
                var cost = min(row[j], last[j + 1]) + 1
                cost = min(cost, last[j] + (letter == other ? 0 : 1))
                if i > 0, j > 0, letter == b[j - 1], a[i - 1] == other {
                    cost = min(cost, beforeLast[j - 1] + 1)
                }
                row.append(cost)
            }
            (beforeLast, last) = (last, row)
        }
        return last[b.count]
    }
}
