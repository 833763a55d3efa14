import Glibc

/// A system call that a process may wait in.
public enum BlockingCall {
    case read, poll, sleep

    fileprivate var number: String {
        #if arch(x86_64)
        let numbers = (read: "0", poll: "7", sleep: "230")
        #else
        let numbers = (read: "63", poll: "73", sleep: "115")
        #endif
        return switch self {
        case .read: numbers.read
        case .poll: numbers.poll
        case .sleep: numbers.sleep
        }
    }
}

/// Whether a process sleeps in a system call, for a program whose only long call of that kind is
/// the one on the file.
/// - Parameter name: how the path of its descriptor 3 must end.
public func isBlocked(_ process: pid_t, in call: BlockingCall, on name: String) -> Bool {
    var path = [UInt8](repeating: 0, count: 4096)
    let count = unsafe path.withUnsafeMutableBytes { bytes in
        unsafe readlink(
            "/proc/\(process)/fd/3", bytes.assumingMemoryBound(to: CChar.self).baseAddress!,
            bytes.count)
    }
    guard count > 0, String(decoding: path[..<count], as: UTF8.self).hasSuffix(name) else {
        return false
    }
    return firstLine(of: "/proc/\(process)/syscall")?.split(separator: " ").first
        .map { $0 == call.number } ?? false
}

/// Whether a process has ended; nobody may have asked for its status yet, or ever will.
public func hasEnded(_ process: pid_t) -> Bool {
    guard let line = firstLine(of: "/proc/\(process)/stat") else { return true }
    // The name before the state may hold anything.
    return line.split(separator: ")").last.map { $0.hasPrefix(" Z") || $0.hasPrefix(" X") } ?? true
}

private func firstLine(of path: String) -> String? {
    guard let file = unsafe fopen(path, "r") else { return nil }
    defer { unsafe fclose(file) }
    var line = [CChar](repeating: 0, count: 1024)
    guard unsafe fgets(&line, Int32(line.count), file) != nil else { return nil }
    return String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}

/// Whether a process is stopped, as by SIGSTOP.
public func isStopped(_ process: pid_t) -> Bool {
    guard let line = firstLine(of: "/proc/\(process)/stat") else { return false }
    return line.split(separator: ")").last?.hasPrefix(" T") ?? false
}
