import CFuse
import Glibc

/// The tree's plain values in the shapes that libfuse and the kernel take.
extension stat {
    init(_ attributes: Attributes) {
        self.init()
        st_ino = UInt(attributes.ino)
        st_mode = attributes.mode
        st_nlink = UInt(attributes.nlink)
        st_uid = attributes.uid
        st_gid = attributes.gid
        st_size = Int(attributes.size)
        st_blksize = Int(attributes.blockSize)
        st_blocks = Int(attributes.blocks)
        let time = timespec(
            tv_sec: Int(attributes.mtimeSeconds), tv_nsec: Int(attributes.mtimeNanoseconds))
        st_atim = time
        st_mtim = time
        st_ctim = time
    }
}

extension fuse_entry_param {
    init(_ entry: Entry) {
        self.init()
        ino = entry.node.rawValue
        generation = entry.generation
        attr = stat(entry.attributes)
        attr_timeout = entry.attributeSeconds
        entry_timeout = entry.entrySeconds
    }
}

extension fuse_entry_out {
    init(_ entry: Entry) {
        self.init()
        nodeid = entry.node.rawValue
        generation = entry.generation
        (entry_valid, entry_valid_nsec) = Self.validity(entry.entrySeconds)
        (attr_valid, attr_valid_nsec) = Self.validity(entry.attributeSeconds)
        attr = fuse_attr(entry.attributes)
    }

    private static func validity(_ seconds: Double) -> (UInt64, UInt32) {
        let bounded = min(max(seconds, 0), 1e9)
        let whole = bounded.rounded(.down)
        return (UInt64(whole), UInt32((bounded - whole) * 1e9))
    }
}

extension fuse_attr {
    init(_ attributes: Attributes) {
        self.init()
        ino = attributes.ino
        mode = attributes.mode
        nlink = attributes.nlink
        uid = attributes.uid
        gid = attributes.gid
        size = attributes.size
        blksize = attributes.blockSize
        blocks = attributes.blocks
        atime = UInt64(max(attributes.mtimeSeconds, 0))
        atimensec = UInt32(attributes.mtimeNanoseconds)
        mtime = atime
        mtimensec = atimensec
        ctime = atime
        ctimensec = atimensec
    }
}

extension statvfs {
    init(_ statistics: FileSystemStatistics) {
        self.init()
        f_bsize = UInt(statistics.blockSize)
        f_frsize = UInt(statistics.blockSize)
        f_blocks = UInt(statistics.blocks)
        f_bfree = UInt(statistics.free)
        f_bavail = UInt(statistics.available)
        f_files = UInt(statistics.files)
        f_ffree = UInt(statistics.filesFree)
        f_favail = UInt(statistics.filesFree)
        f_namemax = UInt(statistics.nameMax)
    }
}
