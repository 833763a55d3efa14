import Glibc
import RainbowCore

/// `rainbowfs atomic`: runs a program in a new transaction until one of its runs is committed.
struct AtomicRunner {
    /// After so many conflicts nobody else may commit while the program runs, so that it ends.
    static let conflictsBeforeSerial = 8

    private let arguments: AtomicArguments
    private let mount: MountedSpace
    /// The program's working directory, from the top of the tree.
    private let subfolder: String

    init(_ arguments: AtomicArguments) throws(CommandFailure) {
        self.arguments = arguments
        if let outer = unsafe getenv("RAINBOW"), unsafe outer.pointee != 0 {
            throw AtomicRunner.nested(inEnvironment: unsafe String(systemText: outer))
        }
        let found: MountedSpace
        do {
            found = try MountedSpace.find(option: arguments.mountPoint ?? arguments.directory)
        } catch {
            throw CommandFailure(.atomic, error.description)
        }
        mount = found.whole
        guard found == mount else { throw AtomicRunner.nested(found) }
        subfolder = try AtomicRunner.subfolder(arguments, mount)
    }

    /// - Returns: the exit status.
    func run() throws(CommandFailure) -> Int32 {
        let signals = try SignalForwarder()
        let input = InputReplay()
        var attempt = 1
        while true {
            if let status = try run(attempt, input, signals) { return status }
            attempt += 1
        }
    }

    /// - Returns: the exit status, or nil after a conflict.
    private func run(
        _ attempt: Int, _ input: InputReplay, _ signals: SignalForwarder
    ) throws(CommandFailure) -> Int32? {
        let transaction = try AtomicTransaction(mount, attempt: attempt)
        defer { transaction.end() }
        if attempt > AtomicRunner.conflictsBeforeSerial {
            say("attempt \(attempt) is serial: nobody else commits until it ends")
            try transaction.makeSerial()
        }
        let folder = try transaction.openFolder(subfolder)
        defer { close(folder) }
        let setup = ProgramSetup(
            words: arguments.command,
            environment: [
                "RAINBOW": transaction.path,
                "PWD": subfolder.isEmpty ? transaction.path : "\(transaction.path)/\(subfolder)",
            ], folder: folder)
        let output = arguments.isStreaming ? nil : Spool()

        signals.start()
        defer { signals.stop() }
        let run = try ProgramRun(setup, input: input, output: output, signals: signals)
        let end = try run.wait()
        guard end == .exited(0) else {
            if let reason = transaction.reason { throw reason }
            signals.stop()
            try show(output)
            return end.exitStatus
        }
        if let signal = signals.takeEnding() { return 128 + signal }
        guard try transaction.commit() else {
            return try afterConflict(attempt, transaction, run.endingSignal)
        }
        // A signal that came during the commit came too late.
        _ = signals.takeEnding()
        signals.stop()
        if arguments.isVerbose, let version = try? transaction.facts()["version"] {
            say("attempt \(attempt) was committed at version \(version)")
        }
        transaction.end()
        do {
            try show(output)
        } catch {
            throw CommandFailure(.atomic, "\(error) The transaction was committed all the same.")
        }
        return 0
    }

    /// - Returns: the exit status if the program must not run again.
    private func afterConflict(
        _ attempt: Int, _ transaction: AtomicTransaction, _ endingSignal: Int32?
    ) throws(CommandFailure) -> Int32? {
        let isLast = arguments.retriesMax.map { attempt > $0 } ?? false
        var reason = "conflict"
        if isLast || arguments.isVerbose, let conflict = try? transaction.facts()["conflict"] {
            reason = conflict
        }
        // The program was to end, took its time for it, and is not begun once more.
        if let endingSignal {
            say("attempt \(attempt) was not committed: \(reason)")
            return 128 + endingSignal
        }
        guard isLast else {
            say("attempt \(attempt) runs again: \(reason)")
            return nil
        }
        let count = attempt == 1 ? "1 attempt" : "\(attempt) attempts"
        throw CommandFailure(.gaveUp, "Gave up after \(count): \(reason)")
    }

    private func show(_ output: Spool?) throws(CommandFailure) {
        do {
            unsafe try output?.copy { bytes throws(FileError) in
                unsafe try StandardOutput.write(bytes)
            }
        } catch {
            throw CommandFailure(
                .atomic, "What the command printed is lost: \(error.path): \(error.reason).")
        }
    }

    private func say(_ text: String) {
        if arguments.isVerbose { StandardError.print("rainbowfs: \(text)") }
    }

    /// Where below the mount the program runs: in `-C`, or where this process is, or at the top.
    private static func subfolder(
        _ arguments: AtomicArguments, _ mount: MountedSpace
    ) throws(CommandFailure) -> String {
        let wanted = arguments.directory.map {
            mount.resolve($0, isBelowMount: arguments.mountPoint != nil)
        }
        let name = wanted ?? "."
        guard let folder = FileText.resolved(name) else {
            throw CommandFailure(.atomic, "\(name): \(FileError(path: name, errno: errno).reason)")
        }
        guard folder.isInside(mount.path) else {
            guard wanted != nil else { return "" }
            throw CommandFailure(.atomic, "\(folder) is not below \(mount.path).")
        }
        let inner = mount.view(of: folder)
        guard inner == mount else { throw nested(inner) }
        let subfolder = mount.below(folder)
        guard !["transactions", "snapshots"].contains(subfolder) else {
            throw CommandFailure(
                .atomic,
                "There is no folder \(subfolder) in a transaction. Run the command elsewhere, or"
                    + " name a folder with -C.")
        }
        return String(subfolder)
    }

    private static func nested(_ mount: MountedSpace) -> CommandFailure {
        CommandFailure(
            .atomic,
            mount.isSnapshot
                ? "\(mount.path) is a snapshot: nothing there can be changed, and all commands see"
                    + " one version. Run the command without atomic, or leave the snapshot first."
                : "Transactions do not nest, and \(mount.path) is a transaction. Run the command"
                    + " without atomic, or leave the transaction first.")
    }

    private static func nested(inEnvironment outer: String) -> CommandFailure {
        CommandFailure(
            .atomic,
            "Transactions do not nest, and RAINBOW says that this is run in the transaction"
                + " \(outer). Run the command without atomic; if that is long over, unset RAINBOW.")
    }
}
