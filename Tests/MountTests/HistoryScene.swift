import Foundation
import RainbowCore
import TestSupport

/// A space with two mounts, and clients of every kind that work on it, some of which are killed.
final class HistoryScene {
    /// How a client works: a shell on one of the mounts, or a program of its own.
    enum Kind: Equatable {
        case shell(mount: Int)
        case program
    }

    private final class Client {
        let kind: Kind
        let name: String
        let log: String
        let process: Child
        /// Ends when the client and all that it started are gone.
        let lifeline: FileHandle
        var gone: UInt64 = 0

        init(_ kind: Kind, _ name: String, _ log: String, _ process: Child, _ lifeline: FileHandle)
        {
            (self.kind, self.name, self.log) = (kind, name, log)
            (self.process, self.lifeline) = (process, lifeline)
        }
    }

    static let objectCount = 6

    let mount: TestMount
    private let board: Scoreboard
    private var random: SeededGenerator
    private var cells: [String] = []
    private var running: [Client] = []
    private var ended: [Client] = []
    private(set) var clientKills = 0
    private(set) var mountKills = 0
    private(set) var atomicKills = 0

    init(seed: UInt64) throws {
        random = SeededGenerator(seed: seed)
        mount = try TestMount("history")
        board = try Scoreboard()
        try mount.mount()
        try mount.mount(at: mount.two)
        let made = try mount.bash(
            """
            cd "$MOUNT" && printf '\(HistoryRegisters.classText)' >classes/Cell &&
            mkdir regions/transactional/cells &&
            rainbowfs new regions/transactional/cells Cell -n \(Self.objectCount)
            """)
        cells = made.output.split(separator: "\n").map { String($0.dropFirst("objects/".count)) }
        guard cells.count == Self.objectCount else { throw SceneFailure(made.errors) }
        HistoryRegisters.leave(cells.compactMap { Address(text: $0) }, on: board)
    }

    private var stopFile: String { "\(mount.folder)/scratch/stop" }

    func start(_ kinds: [Kind]) throws {
        for kind in kinds { try start(kind) }
    }

    private func start(_ kind: Kind) throws {
        let number = running.count + ended.count + 1
        let log = "\(mount.folder)/scratch/log-\(number)"
        let seed = Int.random(in: 1...32767, using: &random)
        var environment = mount.environment
        environment["CELLS"] = cells.joined(separator: " ")
        environment["STOP"] = stopFile
        environment["RAINBOWFS_HISTORY"] = log
        switch kind {
        case .program:
            let process = try Child(
                builtProgram("space-worker"),
                ["registers", mount.space, "\(number)", "\(seed)", "0"], environment: environment,
                descriptor: board.descriptor)
            let nothing = FileHandle.nullDevice
            running.append(Client(kind, "program \(number)", log, process, nothing))
        case .shell(let index):
            let pipe = Pipe()
            let point = index == 0 ? mount.one : mount.two
            environment["OTHER"] = index == 0 ? mount.two : mount.one
            let process = try Child(
                "/usr/bin/setsid",
                ["bash", Self.script, point, log, "\(number * 1_000_000)", "\(seed)"],
                environment: environment, descriptor: pipe.fileHandleForWriting.fileDescriptor)
            try pipe.fileHandleForWriting.close()
            running.append(
                Client(kind, "shell \(number)", log, process, pipe.fileHandleForReading))
        }
    }

    private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Workloads/client.bash").path

    /// Lets the clients work, and kills one of them or a mount now and then: as long as asked for,
    /// and longer on a machine that is too slow for that, until what they did is worth a check.
    func run(
        seconds: Double, secondsMax: Double, until isEnough: ([RecordedTransaction]) -> Bool
    ) throws {
        let begin = Date()
        func isOver() -> Bool {
            let time = Date().timeIntervalSince(begin)
            guard time > seconds, clientKills > 0, mountKills > 0 else { return time > secondsMax }
            // The last line of a log may be half written.
            let history = (running + ended).flatMap { (try? notes($0)) ?? [] }
            return isEnough(history) || time > secondsMax
        }
        while !isOver() {
            usleep(UInt32.random(in: 20_000...120_000, using: &random))
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<6: try replaceClient(Int.random(in: 0..<running.count, using: &random))
            case 6: killAtomic()
            default: try replaceMount(Bool.random(using: &random) ? mount.one : mount.two)
            }
        }
    }

    /// Kills `rainbowfs atomic` where a shell is running it; shell and command live on.
    private func killAtomic() {
        let shells = running.filter { $0.kind != .program }.map(\.process.processID)
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        for process in entries.compactMap(pid_t.init) where shells.contains(getpgid(process)) {
            let name = try? String(contentsOfFile: "/proc/\(process)/comm", encoding: .utf8)
            guard name == "rainbowfs\n" else { continue }
            kill(process, SIGKILL)
            atomicKills += 1
        }
    }

    private func replaceClient(_ index: Int) throws {
        let client = running.remove(at: index)
        // A shell takes all that it started with it.
        if client.kind != .program { kill(-client.process.processID, SIGKILL) }
        client.process.kill()
        finish(client)
        clientKills += 1
        try start(client.kind)
    }

    private func replaceMount(_ point: String) throws {
        guard let daemon = mount.daemon(of: point) else { return }
        kill(daemon, SIGKILL)
        mountKills += 1
        guard eventually({ hasEnded(daemon) }) else { throw SceneFailure("a mount lives on") }
        let result = try mount.mount(at: point)
        guard result.status == 0 else { throw SceneFailure(result.errors) }
    }

    private func finish(_ client: Client) {
        _ = try? client.lifeline.readToEnd()
        client.gone = HistoryLog.now()
        ended.append(client)
    }

    /// Stops all clients.
    /// - Returns: what all have noted, and what they complained about.
    func stop() throws -> (history: [RecordedTransaction], errors: [String]) {
        _ = FileManager.default.createFile(atPath: stopFile, contents: nil)
        board[BoardPlace.stop] = 1
        var errors: [String] = []
        for client in running {
            let status = client.process.wait()
            if status != .exited(0) { errors.append("\(client.name) ended with \(status)") }
            finish(client)
        }
        running = []
        return (try ended.flatMap(notes), errors)
    }

    /// What a client noted, and each command that it ran with `rainbowfs atomic`.
    private func notes(_ client: Client) throws -> [RecordedTransaction] {
        var number = 0
        var found: [RecordedTransaction] = []
        var (log, name) = (client.log, client.name)
        while let text = try? String(contentsOfFile: log, encoding: .utf8) {
            found += try HistoryLog.parse(text, client: name, gone: client.gone)
            number += 1
            (log, name) = ("\(client.log).atomic-\(number)", "\(client.name) atomic \(number)")
        }
        return found
    }

    deinit {
        for client in running {
            if client.kind != .program { kill(-client.process.processID, SIGKILL) }
        }
    }
}

struct SceneFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
