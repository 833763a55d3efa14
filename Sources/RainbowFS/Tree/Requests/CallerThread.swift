import Glibc

/// What /proc tells of the thread that made a request. It waits for the answer meanwhile, so what
/// is found stays so.
struct CallerThread {
    private let folder: String

    init(_ caller: Caller) {
        folder = "/proc/\(caller.thread)"
    }

    /// Whether the thread is in a call that makes what must not be there yet: symlink(2) and
    /// symlinkat(2), or open(2) and openat(2) with O_EXCL; nil if this may not be seen.
    ///
    /// The kernel looks a name up before it makes something there, and does not say what for.
    var isMaking: Bool? {
        // A thread that has sent its request is about to wait, and until it does it is "running".
        for _ in 0..<Self.patience {
            guard let bytes = ProcFile.content(of: folder + "/syscall") else { return nil }
            let words = bytes.split { $0 <= 32 }.map { String(decoding: $0, as: UTF8.self) }
            if words.first != "running" { return Self.makes(words) }
            usleep(50)
        }
        return nil
    }

    private static let patience = 200

    /// - Parameter words: the number of the call, and its arguments in hexadecimal digits.
    private static func makes(_ words: [String]) -> Bool {
        guard let number = words.first.flatMap({ Int($0) }) else { return false }
        if linkCalls.contains(number) { return true }
        guard let location = openCalls[number], words.count > location,
            let flags = UInt64(words[location].dropFirst(2), radix: 16)
        else { return false }
        let both = UInt64(O_CREAT | O_EXCL)
        return flags & both == both
    }

    /// The numbers of the calls; of those that open a file, and which argument has the flags.
    #if arch(x86_64)
    private static let linkCalls: Set<Int> = [88, 266]
    private static let openCalls = [2: 2, 257: 3]
    #else
    private static let linkCalls: Set<Int> = [36]
    private static let openCalls = [56: 3]
    #endif

    /// Whether the process reads one of these directories: it has it open, and has read of it.
    ///
    /// - Parameter paths: ends of paths, each from a slash on.
    func isReading(_ paths: [String]) -> Bool {
        for name in descriptors {
            guard let target = target(of: name),
                paths.contains(where: { target.hasSuffix($0) }), isRead(name)
            else { continue }
            return true
        }
        return false
    }

    /// The numbers of what is open; none if this may not be seen.
    private var descriptors: [String] {
        guard let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name),
            let directory = unsafe opendir(folder + "/fd")
        else { return [] }
        defer { unsafe closedir(directory) }
        var found: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe UnsafeRawPointer(entry) + nameOffset
            let text = unsafe String(cString: name.assumingMemoryBound(to: CChar.self))
            if Int(text) != nil { found.append(text) }
        }
        return found
    }

    /// The path that a descriptor was opened by.
    private func target(of descriptor: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe readlink("\(folder)/fd/\(descriptor)", &buffer, buffer.count)
        guard count > 0 else { return nil }
        let path = String(
            decoding: buffer[..<count].lazy.map(UInt8.init(bitPattern:)), as: UTF8.self)
        // The kernel may have dropped the name since.
        let dropped = " (deleted)"
        return path.hasSuffix(dropped) ? String(path.dropLast(dropped.count)) : path
    }

    /// Whether a descriptor stands past its start: tar holds a directory open to find files by.
    private func isRead(_ descriptor: String) -> Bool {
        guard let bytes = ProcFile.content(of: "\(folder)/fdinfo/\(descriptor)") else {
            return false
        }
        let words = bytes.split { $0 <= 32 }.prefix(2).map { String(decoding: $0, as: UTF8.self) }
        return words.first == "pos:" && words.last != "0"
    }
}

extension Caller {
    /// The number of its process; that of the thread, if it cannot be seen.
    var process: UInt32 {
        let word = ProcFile.content(of: "/proc/\(thread)/status").flatMap { status in
            ProcFile.line("Tgid:", of: status).first
        }
        return word.flatMap { UInt32($0) } ?? thread
    }
}

/// The files below /proc.
enum ProcFile {
    /// The words of a line that begins with a label.
    static func line(_ label: String, of text: [UInt8]) -> [String] {
        let label = Array(label.utf8)
        let line = text.split(separator: UInt8(ascii: "\n")).first { $0.starts(with: label) }
        let words = line?.dropFirst(label.count).split { $0 == UInt8(ascii: " ") || $0 == 9 } ?? []
        return words.map { String(decoding: $0, as: UTF8.self) }
    }

    /// The text of one; nil if it cannot be read.
    static func content(of path: String) -> [UInt8]? {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = unsafe read(file, &buffer, buffer.count)
            guard count >= 0 else { return nil }
            if count == 0 { return text }
            text += buffer[..<count]
        }
    }
}
