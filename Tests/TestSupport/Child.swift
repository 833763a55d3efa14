import CLinux
import Glibc

/// How a process ended.
public enum ChildStatus: Equatable, Sendable {
    case exited(Int32)
    case signaled(Int32)
}

/// A process that a test started; it is killed when the test lets go of it.
public final class Child {
    private static let inherited = [
        "PATH", "HOME", "LD_LIBRARY_PATH", "RAINBOWFS_DIR", "RAINBOWFS_EVICT", "TMPDIR",
    ]

    public let processID: pid_t
    private var status: ChildStatus?

    /// - Parameters:
    ///   - descriptor: an open file that the process finds as its descriptor 3.
    ///   - environment: set besides the few variables that every process gets.
    public init(
        _ path: String, _ arguments: [String], environment: [String: String] = [:],
        descriptor: Int32? = nil
    ) throws {
        _ = UsualSurroundings.mask
        var variables = environment.merging(UsualSurroundings.variables) { own, _ in own }
        for name in Child.inherited {
            guard variables[name] == nil, let value = unsafe getenv(name) else { continue }
            variables[name] = unsafe String(cString: value)
        }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        if let descriptor { unsafe posix_spawn_file_actions_adddup2(&actions, descriptor, 3) }
        // What other tests have open would keep their mounts busy as long as this process lives.
        let firstClosed: Int32 = descriptor == nil ? 3 : 4
        _ = unsafe rainbow_spawn_close_from(&actions, firstClosed)
        // Threads of the test runner may have signals blocked; a program starts without.
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var strings = unsafe ([path] + arguments).map { unsafe strdup($0) }
        unsafe strings.append(nil)
        var settings = unsafe variables.map { unsafe strdup("\($0.key)=\($0.value)") }
        unsafe settings.append(nil)
        defer {
            while let string = unsafe strings.popLast() { unsafe free(string) }
            while let setting = unsafe settings.popLast() { unsafe free(setting) }
        }
        var pid: pid_t = 0
        let result = unsafe posix_spawn(
            &pid, path, &actions, &attributes, &strings, &settings)
        guard result == 0 else { throw SystemFailure("start \(path)", result) }
        processID = pid
    }

    deinit { kill() }

    /// Ends the process as `kill -9` does and waits until it is gone.
    @discardableResult
    public func kill() -> ChildStatus {
        if status == nil { sendKill() }
        return wait()
    }

    /// Sends the signal without waiting for its effect.
    public func sendKill() { sendSignal(SIGKILL) }

    public func sendSignal(_ signal: Int32) {
        if status == nil { _ = Glibc.kill(processID, signal) }
    }

    /// Waits until the process has ended.
    @discardableResult
    public func wait() -> ChildStatus {
        if let status { return status }
        var code: Int32 = 0
        while unsafe waitpid(processID, &code, 0) < 0 && errno == EINTR {}
        let result = Child.status(of: code)
        status = result
        return result
    }

    /// True once the process has ended.
    public var hasEnded: Bool {
        if status != nil { return true }
        var code: Int32 = 0
        guard unsafe waitpid(processID, &code, WNOHANG) == processID else { return false }
        status = Child.status(of: code)
        return true
    }

    private static func status(of code: Int32) -> ChildStatus {
        let signal = code & 0x7f
        return signal == 0 ? .exited(code >> 8 & 0xff) : .signaled(signal)
    }
}

/// A system call that a test needs and that failed.
public struct SystemFailure: Error, CustomStringConvertible {
    public let description: String

    public init(_ action: String, _ number: Int32 = errno) {
        description = unsafe "\(action): \(String(cString: strerror(number)))"
    }
}

/// The path of a program of this package, which lies beside the running tests.
public func builtProgram(_ name: String) -> String {
    let folder = runningImage.lastIndex(of: "/").map { String(runningImage[..<$0]) } ?? "."
    return "\(folder)/\(name)"
}

/// The file that this code was loaded from: the tests' bundle, whichever program runs it.
private let runningImage: String = {
    let place = UInt(bitPattern: #dsohandle)
    guard let maps = unsafe fopen("/proc/self/maps", "r") else { return "" }
    defer { unsafe fclose(maps) }
    var line = [CChar](repeating: 0, count: 8192)
    while unsafe fgets(&line, Int32(line.count), maps) != nil {
        let bytes = line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }
        let text = String(decoding: bytes, as: UTF8.self)
        let range = text.prefix { $0 != " " }.split(separator: "-").compactMap {
            UInt($0, radix: 16)
        }
        guard range.count == 2, range[0] <= place, place < range[1] else { continue }
        return text.firstIndex(of: "/").map { String(text[$0...]) } ?? ""
    }
    return ""
}()
