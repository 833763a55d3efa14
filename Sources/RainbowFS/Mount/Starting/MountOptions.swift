import Glibc
import RainbowCore

/// What `-o` may say. fstab and mount.fuse3 pass words that mean nothing to a running mount;
/// those are known and dropped, and whatever is not known is refused with a sentence.
struct MountOptions: Sendable, Equatable {
    /// Words for libfuse and the kernel, as they were given.
    var kernel: [String] = []
    var isReadOnly = false
    var uid: UInt32?
    var gid: UInt32?
    var umask: UInt32?
    var sizeBytesMax: UInt64?
    /// Of the whole space, for undo versions, which snapshots and transactions read.
    var snapshotBytesMax: UInt64?
    var transactions = TransactionLimits()
    var nodeName: String?
    var sourceName: String?
    var isDebug = false
    var clonesDevice = true
    var threadsMax: UInt32 = 16
    var listing = ListingMode.automatic
    /// For how long the kernel keeps attributes of objects at most.
    var attributeSeconds = 30.0

    static let help = """
        ro, rw             refuse or allow every change through this mount
        allow_other        let other users in, if /etc/fuse.conf allows it
        allow_root         let root in
        default_permissions  let the kernel check permissions as well
        auto_unmount       unmount when the daemon dies
        uid=N, gid=N       show everything as owned by this user or group
        umask=OCTAL        take these permission bits away
        size=BYTES         limit of the space's memory (K, M, G, T)
        snapshot_memory=BYTES  limit of the space's memory for snapshots (256M)
        transaction_memory=BYTES  limit of what one transaction reads and writes (64M)
        transaction_timeout=N  seconds after which an unused transaction ends (300)
        serial_timeout=N   seconds that a serial transaction may keep others waiting (10)
        node=NAME          name of this mount in nodes/
        readdirplus=MODE   list attributes with names: yes, no or auto (auto)
        attr_timeout=N     seconds that attributes of objects are kept (30); 0: none are
        clone_fd, noclone_fd  a channel to the kernel for each thread, or not (clone_fd)
        max_threads=N      threads that answer requests (1 to 64)
        fsname=NAME        source shown by mount(8) and df(1); the space's name
        """

    static func parse(_ options: [String]) throws(MountFailure) -> MountOptions {
        var result = MountOptions()
        for option in options {
            for word in split(option) where !word.isEmpty {
                try result.take(word)
            }
        }
        return result
    }

    private mutating func take(_ word: String) throws(MountFailure) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2 {
            try takeValue(String(parts[1]), for: String(parts[0]))
        } else {
            try takeFlag(word)
        }
    }

    private mutating func takeFlag(_ word: String) throws(MountFailure) {
        switch word {
        case "ro":
            isReadOnly = true
        case "rw":
            isReadOnly = false
        case "allow_other", "allow_root", "auto_unmount", "exec", "noexec", "async", "atime",
            "noatime", "default_permissions":
            kernel.append(word)
        case "sync", "dirsync":
            throw MountFailure(
                .arguments,
                "option \(word) promises that a change is on disk when the call returns, and a"
                    + " space lives in memory only: mount without it")
        case "debug":
            isDebug = true
        case "clone_fd":
            clonesDevice = true
        case "noclone_fd":
            clonesDevice = false
        case _ where Self.ignored.contains(word) || word.hasPrefix("x-"):
            break
        default:
            throw unknown(word)
        }
    }

    private mutating func takeValue(_ value: String, for name: String) throws(MountFailure) {
        switch name {
        case "uid":
            uid = try number(value, for: name) { unsafe getpwnam($0)?.pointee.pw_uid }
        case "gid":
            gid = try number(value, for: name) { unsafe getgrnam($0)?.pointee.gr_gid }
        case "umask":
            guard let mask = UInt32(value, radix: 8), mask <= 0o777 else {
                throw invalid(name, value, "an octal mask such as 022")
            }
            umask = mask
        case "size":
            sizeBytesMax = try bytes(value, for: name)
        case "snapshot_memory":
            snapshotBytesMax = try bytes(value, for: name)
        case "transaction_memory":
            transactions.bytesMax = try bytes(value, for: name)
        case "transaction_timeout":
            transactions.idleSeconds = try seconds(value, for: name)
        case "serial_timeout":
            transactions.serialSeconds = try seconds(value, for: name)
        case "node":
            guard (1...64).contains(value.systemByteCount), value.utf8.allSatisfy({ $0 > 32 })
            else {
                throw invalid(name, value, "a name of 1 to 64 bytes without spaces")
            }
            nodeName = value
        case "max_threads":
            guard let count = UInt32(value), (1...64).contains(count) else {
                throw invalid(name, value, "a number from 1 to 64")
            }
            threadsMax = count
        case "readdirplus":
            guard let mode = ListingMode(rawValue: value) else {
                throw invalid(name, value, "yes, no or auto")
            }
            listing = mode
        case "attr_timeout":
            guard let seconds = Double(value), (0...86_400).contains(seconds) else {
                throw invalid(name, value, "a number of seconds, 86400 at most")
            }
            attributeSeconds = seconds
        case "fsname":
            sourceName = value
        case "context", "fscontext", "defcontext", "rootcontext":
            kernel.append("\(name)=\(value)")
        case "subtype", "comment", "uhelper", "helper":
            break
        case _ where name.hasPrefix("x-") || name.hasPrefix("X-"):
            break
        default:
            throw unknown(name)
        }
    }

    /// What fstab says to mount(8), what mount(8) passes on, and what is always so here: there are
    /// no devices and no set-user-id programs in a space.
    private static let ignored: Set<String> = [
        "dev", "nodev", "suid", "nosuid", "auto", "noauto", "user",
        "nouser", "users", "owner", "group", "_netdev", "nofail", "defaults", "relatime",
        "norelatime", "strictatime", "nostrictatime", "lazytime", "nolazytime", "diratime",
        "nodiratime", "mand", "nomand", "iversion", "noiversion", "silent", "loud", "nonempty",
    ]

    /// Commas separate words; a backslash before one keeps it, as in libfuse.
    private static func split(_ option: String) -> [String] {
        var words = [""]
        var isEscaped = false
        for scalar in option.unicodeScalars {
            if isEscaped {
                words[words.count - 1].unicodeScalars.append(scalar)
                isEscaped = false
            } else if scalar == "\\" {
                isEscaped = true
            } else if scalar == "," {
                words.append("")
            } else {
                words[words.count - 1].unicodeScalars.append(scalar)
            }
        }
        return words
    }

    private func bytes(_ value: String, for name: String) throws(MountFailure) -> UInt64 {
        guard let count = ByteCount.parse(value), count > 0 else {
            throw invalid(name, value, "a number of bytes such as 512M or 2G")
        }
        return count
    }

    private func seconds(_ value: String, for name: String) throws(MountFailure) -> UInt64 {
        guard let count = UInt64(value), (1...1_000_000_000).contains(count) else {
            throw invalid(name, value, "a number of seconds, at least 1")
        }
        return count
    }

    private func number(
        _ value: String, for name: String, lookup: (String) -> UInt32?
    ) throws(MountFailure) -> UInt32 {
        if let number = UInt32(value), number != UInt32.max { return number }
        if let number = lookup(value) { return number }
        throw invalid(
            name, value, name == "uid" ? "a user's number or name" : "a group's number or name")
    }

    private func invalid(_ name: String, _ value: String, _ wanted: String) -> MountFailure {
        MountFailure(.arguments, "option \(name)=\(value) is not understood: give \(wanted)")
    }

    private func unknown(_ word: String) -> MountFailure {
        MountFailure(
            .arguments, "unknown option '\(word)'; rainbowfs mount --help lists those there are")
    }
}
