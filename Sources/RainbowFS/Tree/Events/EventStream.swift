import Glibc
import RainbowCore
import Synchronization

/// An open `events`: a line for each commit since it was opened, or only for those that touched one
/// of the objects that were written to it.
///
/// Nobody waits in here: the mount keeps a read that finds nothing until there is news.
final class EventStream: OpenFile, @unchecked Sendable {
    private struct State {
        /// Commits up to this version are none of its business.
        var since: UInt64 = 0
        var queue = EventQueue()
        /// The objects it is restricted to; nil: every commit counts.
        var watched: [EventText.Object]?
        /// Their memory; the keys are places in `watched`.
        var interests = LineInterests<Int>()
        /// What a reader is shown who goes by the size: the bytes that it was given to read, and 1.
        var shownSize: UInt64?
    }

    /// Which line a commit is worth.
    enum Want {
        case nothing
        /// One that the reader is too late for.
        case tooLate
        /// The line that everyone gets.
        case everything
        /// A line with these objects; nil: anything may have changed.
        case objects([EventText.Object]?)
    }

    /// What the news of a commit did to a reader.
    struct Effect {
        var lostByReader: UInt64 = 0
        var lostByMount: UInt64 = 0
    }

    static let watchedMax = 10_000
    /// Buffered output is cut at multiples of this: then the last path may be only a part of one.
    private static let blockBytes = 4096

    private let view: View
    /// Who opened it.
    private let caller: Caller
    private let state = Mutex(State())
    /// The beginning of a path that was cut off by the end of a write. Writes run one at a time, so
    /// that each finds what the one before it left.
    private let rest = Mutex<[UInt8]>([])

    init(_ view: View, _ caller: Caller) {
        self.view = view
        self.caller = caller.withGroups
        super.init()
        view.events.add(self)
    }

    override var stream: EventStream? { self }

    override func close() {
        view.events.remove(self)
    }

    // MARK: For the reader

    override func readiness() throws(TreeError) -> Readiness {
        hasNews ? [.readable, .writable] : .writable
    }

    /// Whether a read would find something.
    var hasNews: Bool { state.withLock { !$0.queue.isEmpty } }

    /// - Returns: the bytes read; 0 at the end for those who read up to the size; nil if there is
    ///   nothing yet.
    func take(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) -> Int? {
        state.withLock { state in
            if let count = unsafe state.queue.read(at: offset, into: buffer) { return count }
            return state.shownSize == nil ? nil : 0
        }
    }

    override func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
        throws(TreeError) -> Int
    {
        guard let count = unsafe take(at: offset, into: buffer) else {
            throw TreeError(EAGAIN, "There was no commit since the last read.")
        }
        return count
    }

    /// 1: what was not read begins at the start, and to tail(1) an end at the start would mean that
    /// this is a pipe. From now on this reader finds an end instead of waiting.
    override func seekEnd() -> UInt64? {
        state.withLock { state in
            state.shownSize = state.shownSize ?? 1
            return 1
        }
    }

    override var followedSize: UInt64? { state.withLock { $0.shownSize } }

    /// Restricts the stream to commits that touch one of the objects whose paths or addresses are
    /// written, a line each; further writes add more.
    override func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer, isAppend: Bool)
        throws(TreeError) -> Int
    {
        // The bytes are the caller's for the length of the call only.
        let bytes = unsafe Array(bytes)
        try rest.withLock { (rest) throws(TreeError) in try add(bytes, &rest) }
        return bytes.count
    }

    private func add(_ bytes: [UInt8], _ rest: inout [UInt8]) throws(TreeError) {
        var text = rest + bytes
        var newRest: [UInt8] = []
        let newline = UInt8(ascii: "\n")
        if bytes.count % Self.blockBytes == 0, let end = text.lastIndex(of: newline) {
            newRest = Array(text[(end + 1)...])
            text.removeSubrange((end + 1)...)
        }
        let objects = try resolve(text)
        let now = view.space.version
        try state.withLock { (state) throws(TreeError) in
            let count = state.watched?.count ?? 0
            guard count + objects.count <= Self.watchedMax else {
                throw TreeError(
                    ENOSPC, "One open events watches \(Self.watchedMax) objects at most.")
            }
            if state.watched == nil {
                state.queue.removeAll()
                state.since = now
            }
            state.watched = (state.watched ?? []) + objects.map(\.object)
            for (index, object) in objects.enumerated() {
                state.interests.insert(object.memory, count + index)
            }
        }
        rest = newRest
    }

    private func resolve(
        _ text: [UInt8]
    ) throws(TreeError) -> [(object: EventText.Object, memory: Range<Address>)] {
        let paths = text.split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
            .map { String(systemBytes: $0) }
        guard !paths.isEmpty else {
            throw TreeError(EINVAL, "Write addresses or paths of objects to events, one a line.")
        }
        return try view.transact { tx in
            try paths.map { path in
                let address = try FieldAssignment.object(path, view, caller, &tx)
                guard address != .null else {
                    throw TreeError(EINVAL, "null is no object whose commits could be watched.")
                }
                let state = try ObjectState(address, &tx)
                try caller.require(.read, view.shown(S_IFREG, state.ownership))
                return (
                    EventText.Object(address: address, className: state.descriptor.name),
                    state.descriptor.memory(of: address)
                )
            }
        }
    }

    // MARK: For the follower of commits

    /// Whether the reader may know of every commit.
    var seesEverything: Bool { caller.uid == 0 }

    /// Whether the reader may know of changes in what has this owner, group and mode.
    func mayRead(_ ownership: Ownership) -> Bool {
        caller.may(.read, view.shown(S_IFREG, ownership))
    }

    /// The objects it is restricted to.
    var watched: [EventText.Object] { state.withLock { $0.watched ?? [] } }

    /// - Parameter version: commits up to this one are from before the opening.
    func begin(after version: UInt64) {
        state.withLock { $0.since = version }
    }

    func want(_ news: CommitNews, pages: [(page: UInt64, lines: UInt64)]?) -> Want {
        state.withLock { state in
            guard news.version > state.since else { return .nothing }
            let want = Self.want(state, pages)
            guard state.queue.lags else { return want }
            // The line would be dropped: it is not worth making.
            if case .nothing = want { return .nothing }
            state.queue.lose(upTo: news.version)
            return .tooLate
        }
    }

    private static func want(_ state: State, _ pages: [(page: UInt64, lines: UInt64)]?) -> Want {
        guard let watched = state.watched else { return .everything }
        guard let pages else { return .objects(nil) }
        var touched: Set<Int> = []
        state.interests.forEachTouched(by: pages) { touched.insert($0) }
        guard !touched.isEmpty else { return .nothing }
        return .objects(Set(touched.map { watched[$0] }).sorted { $0.address < $1.address })
    }

    func append(_ line: [UInt8], version: UInt64) -> Effect {
        state.withLock { state in
            var effect = Effect()
            guard version > state.since else { return effect }
            state.queue.append(line, version: version)
            if state.queue.lags { effect.lostByReader = 1 }
            // Of a line that found no room: there will be one that says so, which is shorter.
            state.shownSize? += UInt64(line.count)
            return effect
        }
    }

    /// - Parameter known: the version up to which nothing was lost.
    func lose(upTo version: UInt64, knownUpTo known: UInt64) -> Effect {
        state.withLock { state in
            var effect = Effect()
            guard version > state.since else { return effect }
            let line = EventText.lost(upTo: version)
            state.queue.append(line, version: version)
            effect.lostByMount = version - min(version, max(known, state.since))
            state.shownSize? += UInt64(line.count)
            return effect
        }
    }
}

/// `events`: what commits change, as it happens.
///
/// Like a pipe it has no size, so that archivers do not wait in it.
struct EventsFile: Node {
    let view: View
    let id = NodeID(.events)

    func describe(_ tx: inout Transaction) throws -> Description {
        try view.ownFile(id, mode: 0o666, size: 0, &tx)
    }

    func open(_ request: OpenRequest) throws -> OpenFile {
        guard request.reads else {
            throw TreeError(
                EINVAL,
                "Open events for reading; or for reading and writing, to write the paths of the"
                    + " objects that it is to tell of.")
        }
        return EventStream(view, request.caller)
    }
}

/// The lines of `events`: JSON, one a commit.
enum EventText {
    /// An object of a line.
    struct Object: Hashable {
        var address: Address
        var className: String
    }

    /// Objects of one line, at most.
    static let objectsMax = 1000

    /// - Parameter milliseconds: since 1970.
    static func commit(
        _ news: CommitNews, milliseconds: UInt64, lines: Int?, _ objects: some Sequence<Object>,
        isTruncated: Bool
    ) -> [UInt8] {
        let lines = lines.map(String.init)
        var text = Array("{\"version\": \(news.version), \"node\": \(news.node), ".utf8)
        text += "\"time\": \"\(TimeText.describe(milliseconds: milliseconds))\", ".utf8
        text += "\"lines\": \(lines ?? "null"), \"objects\": [".utf8
        var isFirst = true
        for object in objects {
            text += (isFirst ? "{\"address\": \"" : ", {\"address\": \"").utf8
            text += object.address.description.utf8
            text += "\", \"class\": \"".utf8
            // The names of classes have no character that JSON would escape.
            text += object.className.utf8
            text += "\"}".utf8
            isFirst = false
        }
        text += (isTruncated ? "], \"truncated\": true}\n" : "]}\n").utf8
        return text
    }

    /// Commits up to this version are missing.
    static func lost(upTo version: UInt64) -> [UInt8] {
        Array("{\"lost\": true, \"version\": \(version)}\n".utf8)
    }
}
