import CLinux
import Glibc
import RainbowCore

/// A transaction that lives as long as this process holds it: a folder of `transactions/`, and its
/// `control` kept open, at whose closing, by the kernel at the latest, the mount aborts it.
final class AtomicTransaction {
    /// Its top, absolute.
    let path: String
    private let mount: MountedSpace
    private var control: Int32 = -1

    /// Begins one.
    init(_ mount: MountedSpace, attempt: Int) throws(CommandFailure) {
        self.mount = mount
        path = try AtomicTransaction.makeFolder(mount, attempt)
        let file = path + "/control"
        control = unsafe file.withSystemText { unsafe open($0, O_RDWR | O_CLOEXEC) }
        guard control >= 0 else {
            let error = FileError(path: file, errno: errno)
            _ = unsafe path.withSystemText { unsafe rmdir($0) }
            throw mount.atomicFailure(error)
        }
        try command("hold")
    }

    deinit { end() }

    /// Forgets what was read and written, and lets nobody else commit until this one ends.
    func makeSerial() throws(CommandFailure) { try command("restart serial") }

    /// - Returns: false if somebody else's commit came between.
    func commit() throws(CommandFailure) -> Bool {
        do throws(FileError) {
            try write("commit")
            return true
        } catch {
            if error.errno == ECANCELED { return false }
            if let reason { throw reason }
            throw mount.atomicFailure(error)
        }
    }

    /// Aborts it unless it was committed; the mount removes its folder. To remove it here would
    /// make it a dead one for the kernel, and those who are still in it would not learn why.
    func end() {
        if control >= 0 { close(control) }
        control = -1
    }

    /// Opens a folder inside, by its path from the top.
    func openFolder(_ subfolder: String) throws(CommandFailure) -> Int32 {
        let folder = subfolder.isEmpty ? path : "\(path)/\(subfolder)"
        let descriptor = unsafe folder.withSystemText {
            unsafe open($0, rainbow_open_path | O_DIRECTORY | O_CLOEXEC)
        }
        guard descriptor >= 0 else {
            let error = FileError(path: folder, errno: errno)
            if let reason { throw reason }
            throw mount.atomicFailure(error)
        }
        return descriptor
    }

    /// Why the mount ended it, or nil if it goes on.
    var reason: CommandFailure? {
        do throws(FileError) {
            let facts = try facts()
            guard facts["state"] == "ended" else { return nil }
            return CommandFailure(.atomic, facts["reason"] ?? "The mount ended the transaction.")
        } catch {
            return mount.atomicFailure(error)
        }
    }

    /// What `control` says: its first line of each key.
    func facts() throws(FileError) -> [String: String] {
        let lines = MountStatus.facts(try FileText.readText(path + "/control"))
        return Dictionary(lines) { first, _ in first }
    }

    private func command(_ text: String) throws(CommandFailure) {
        do { try write(text) } catch { throw mount.atomicFailure(error) }
    }

    private func write(_ command: String) throws(FileError) {
        try FileText.write((command + "\n").systemBytes, to: control, path + "/control")
    }

    private static func makeFolder(
        _ mount: MountedSpace, _ attempt: Int
    ) throws(CommandFailure) -> String {
        let path = "\(mount.path)/transactions/atomic-\(getpid())-\(attempt)"
        var candidate = path
        // Elsewhere, in a container that shares the mount, processes may have the same numbers.
        for other in 2...1000 {
            let isMade = unsafe candidate.withSystemText { unsafe mkdir($0, 0o700) == 0 }
            if isMade { return candidate }
            guard errno == EEXIST else { break }
            candidate = "\(path)-\(other)"
        }
        throw mount.atomicFailure(FileError(path: candidate, errno: errno))
    }
}

extension MountedSpace {
    fileprivate func atomicFailure(_ error: FileError) -> CommandFailure {
        CommandFailure(.atomic, failure(error).description)
    }
}
