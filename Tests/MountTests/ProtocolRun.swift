import Glibc
import TestSupport

/// Sends a daemon requests of a `RequestMaker` and sees that each is answered once, with an error
/// that a user can make something of.
struct ProtocolRun {
    private let kernel: FakeKernel
    private var maker: RequestMaker
    private(set) var count = 0
    private(set) var faults: [String] = []
    private var recent: [String] = []
    private var waiting: [UInt64: RequestMaker.Request] = [:]

    private static let faultsMax = 20
    private static let recentMax = 40
    /// Requests that are under way at once.
    private static let roundMax = 8
    /// Reads of streams that wait.
    private static let waitingMax = 24

    init(_ kernel: FakeKernel, _ random: SeededGenerator) {
        self.kernel = kernel
        maker = RequestMaker(random)
    }

    var report: String { recent.joined(separator: "\n") }

    /// Looks up what is there, and begins a transaction and a snapshot.
    mutating func prepare() throws {
        for folder in ["transactions", "snapshots"] {
            let parent = try lookUp([folder]) ?? 0
            var body = RequestBody()
            body.add32(0o755, 0)
            body.add(Array((folder == "snapshots" ? "s" : "t").utf8))
            try exchange(RequestMaker.Request(operation: .mkdir, node: parent, body: body))
        }
        for view in [[], ["snapshots", "s"], ["transactions", "t"]] {
            for path in [
                ["objects"], ["regions", "transactional", "bank", "allocator"], ["names", "a"],
                ["classes", "Account"], ["events"], ["control"], ["metrics"], ["messages"],
            ] {
                _ = try lookUp(view + path)
            }
            try listObjects(view + ["objects"])
        }
    }

    /// Takes the nodes of objects from the listing, with some of their fields.
    private mutating func listObjects(_ path: [String]) throws {
        guard let folder = try lookUp(path) else { return }
        var opening = RequestBody()
        opening.add32(0, 0)
        let open = RequestMaker.Request(operation: .opendir, node: folder, body: opening)
        guard let handle = try exchange(open)?.body.prefix(8) else { return }
        var reading = RequestBody(bytes: Array(handle))
        reading.add64(0)
        reading.add32(32 << 10, 0)
        reading.add64(0)
        reading.add32(0, 0)
        let read = RequestMaker.Request(operation: .readdir, node: folder, body: reading)
        let text = String(decoding: try exchange(read)?.body ?? [], as: UTF8.self)
        for range in text.ranges(of: "0x0000008").suffix(4) {
            let name = String(text[range.lowerBound...].prefix(18))
            for field in ["balance", "heir", "history", "samples", "label", "data", "class", "raw"]
            {
                _ = try lookUp(path + [name, field])
            }
        }
    }

    private mutating func lookUp(_ path: [String]) throws -> UInt64? {
        var node: UInt64 = 1
        for name in path {
            var body = RequestBody()
            body.add(Array(name.utf8))
            let reply = try exchange(
                RequestMaker.Request(operation: .lookup, node: node, body: body))
            guard let reply, reply.error == 0 else { return nil }
            node = unsafe reply.body.withUnsafeBytes { unsafe $0.loadUnaligned(as: UInt64.self) }
        }
        return node
    }

    @discardableResult
    private mutating func exchange(
        _ request: RequestMaker.Request
    ) throws -> FakeKernel.Reply? {
        let unique = try kernel.send(request.operation, node: request.node, request.body)
        let reply = try kernel.answer(to: unique)
        if let reply { maker.learn(request, reply) }
        return reply
    }

    /// Some requests at once, and their answers.
    mutating func round() throws {
        var open: [UInt64: RequestMaker.Request] = [:]
        for _ in 0..<Self.roundMax {
            let request = maker.next()
            note(request)
            let unique = try kernel.send(
                request.operation, node: request.node, request.body, user: request.user)
            count += 1
            if request.isAnswered { open[unique] = request }
        }
        while !open.isEmpty {
            // Only a read may wait for something to happen.
            let mayWait = open.values.allSatisfy { $0.operation == .read }
            guard let reply = try kernel.receive(milliseconds: mayWait ? 20 : 60_000) else {
                guard mayWait else {
                    return fault("no answer to \(open.values.map(\.description))")
                }
                waiting.merge(open) { $1 }
                break
            }
            if let request = open.removeValue(forKey: reply.unique) {
                check(reply, request)
            } else {
                take(reply)
            }
        }
        if waiting.count > Self.waitingMax, try !interruptAll() {
            fault("no answer to an interrupted read")
        }
    }

    /// Interrupts the reads that wait.
    /// - Returns: whether all were answered.
    mutating func interruptAll() throws -> Bool {
        for unique in waiting.keys {
            var body = RequestBody()
            body.add64(unique)
            try kernel.send(.interrupt, node: 0, body)
        }
        while !waiting.isEmpty {
            guard let reply = try kernel.receive(milliseconds: 60_000) else { return false }
            take(reply)
        }
        return true
    }

    /// A message that answers none of the requests of this round.
    private mutating func take(_ reply: FakeKernel.Reply) {
        if let request = waiting.removeValue(forKey: reply.unique) { check(reply, request) }
    }

    private mutating func check(_ reply: FakeKernel.Reply, _ request: RequestMaker.Request) {
        maker.learn(request, reply)
        // EIO is what a reply says that nobody gave, and an error that has no sentence.
        guard (0..<512).contains(reply.error), reply.error != EIO else {
            return fault("error \(reply.error) to \(request.description)")
        }
    }

    private mutating func fault(_ text: String) {
        if faults.count < Self.faultsMax { faults.append(text) }
    }

    private mutating func note(_ request: RequestMaker.Request) {
        recent.append(request.description)
        if recent.count > Self.recentMax { recent.removeFirst() }
    }
}

extension RequestMaker.Request {
    /// The kernel waits for no answer to these.
    var isAnswered: Bool {
        switch operation {
        case .forget, .batchForget, .interrupt: false
        default: true
        }
    }

    var description: String {
        "\(operation) of 0x\(String(node, radix: 16)) by \(user): \(body.bytes.prefix(64))"
    }
}
