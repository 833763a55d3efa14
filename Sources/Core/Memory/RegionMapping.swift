import Synchronization

/// One region as this process sees it: its bytes, its line words and the map of its frames.
///
/// A line word belongs to each 64-byte line: the version of the commit that last wrote the line, or
/// a lock (`LineWord`). A page may be touched, and so may the line words under it, only while its
/// frame bit is set; both are reserved before the bit is set, so that no access can end in
/// SIGBUS. Any process sets bits at any time; they are cleared by evictions only, which wait for
/// all who may have seen them (`Eviction`). The map itself is sparse as well: a byte of
/// the directory tells whether a page of the map exists.
@frozen @safe
public struct RegionMapping: @unchecked Sendable {
    @usableFromInline let data: SharedMemory
    @usableFromInline let words: SharedMemory
    @usableFromInline let frames: SharedMemory
    @usableFromInline let directory: SharedMemory
    let descriptor: Int32
    let number: Int

    /// - Parameter descriptor: the region's file, which the mapping then owns, with its full size.
    init(descriptor: Int32, region: Int) throws(SystemError) {
        self.descriptor = descriptor
        number = region
        let address = UInt(region) << UInt(Address.regionShift)
        data = unsafe SharedMemory(
            try SystemCalls.map(
                descriptor, offset: 0, count: Address.regionSize, hint: address))
        let rest = SpaceLayout.regionFileSize - SpaceLayout.regionWordsOffset
        do throws(SystemError) {
            words = unsafe SharedMemory(
                try SystemCalls.map(
                    descriptor, offset: SpaceLayout.regionWordsOffset, count: rest))
        } catch {
            unsafe SystemCalls.unmap(data.base, count: Address.regionSize)
            throw error
        }
        frames = words.advanced(by: Int(SpaceLayout.regionWordsSize))
        directory = frames.advanced(by: Int(SpaceLayout.regionFramesSize))
    }

    func unmap() {
        let rest = SpaceLayout.regionFileSize - SpaceLayout.regionWordsOffset
        unsafe SystemCalls.unmap(data.base, count: Address.regionSize)
        unsafe SystemCalls.unmap(words.base, count: rest)
        SystemCalls.close(descriptor)
    }

    /// Whether the page of a byte offset has a frame.
    @inlinable @inline(__always)
    func isPresent(_ offset: UInt64) -> Bool {
        let page = offset >> Address.pageShift
        guard hasMapPage(RegionMapping.mapPage(of: page)) else { return false }
        return (frameWord(ofPage: page).load() >> (page & 63)) & 1 != 0
    }

    /// The page of the frame map that has the bit of a page.
    @inlinable @inline(__always)
    static func mapPage(of page: UInt64) -> UInt64 { page >> 15 }

    /// Whether a page of the frame map exists.
    @inlinable @inline(__always)
    func hasMapPage(_ mapPage: UInt64) -> Bool {
        let (word, shift) = directoryByte(ofMapPage: mapPage)
        return (word.loadRelaxed() >> shift) & 0xff != 0
    }

    /// The byte of the directory for a page of the frame map: its word, and its lowest bit there.
    @inlinable @inline(__always)
    func directoryByte(ofMapPage mapPage: UInt64) -> (word: SharedWord, shift: UInt64) {
        (directory[Int(mapPage & ~7)], (mapPage & 7) << 3)
    }

    /// The word of the frame map with the bit `page % 64` of a page; its map page must exist.
    @inlinable @inline(__always)
    func frameWord(ofPage page: UInt64) -> SharedWord { frames[Int(page >> 6) << 3] }

    /// Reserves memory for some pages, their line words and the page of the frame map with their
    /// bits; repeated harmlessly.
    func reserve(_ page: UInt64, _ count: UInt64) throws(SystemError) {
        let size = UInt64(Address.pageSize)
        try SystemCalls.reserve(descriptor, offset: page * size, count: count * size)
        try SystemCalls.reserve(
            descriptor, offset: SpaceLayout.regionWordsOffset + page * 512, count: count * 512)
        try SystemCalls.reserve(
            descriptor,
            offset: SpaceLayout.regionFramesOffset + RegionMapping.mapPage(of: page) * size,
            count: size)
    }

    /// Calls `body` with each word of the frame map, and the first page whose bit is in it.
    /// - Returns: the pages of the frame map that there are.
    @discardableResult
    func forEachFrameWord(_ body: (_ firstPage: UInt64, _ bits: UInt64) -> Void) -> UInt64 {
        var mapPages: UInt64 = 0
        for mapPage in 0..<4096 as Range<UInt64> where hasMapPage(mapPage) {
            mapPages += 1
            for word in 0..<512 as Range<UInt64> {
                let page = mapPage << 15 | word << 6
                body(page, frameWord(ofPage: page).load())
            }
        }
        return mapPages
    }

    /// The line word of the line that holds a byte offset; the page must be present.
    @inlinable @inline(__always)
    func lineWord(_ offset: UInt64) -> SharedWord {
        words[Int(offset >> Address.lineShift) << 3]
    }

    /// The same of a line's number in the whole space.
    func lineWord(ofLine line: UInt64) -> SharedWord { lineWord(Address(line: line).offset) }

    /// The eight bytes at an aligned offset; the page must be present.
    @inlinable @inline(__always)
    func dataWord(_ offset: UInt64) -> SharedWord { data[Int(offset)] }
}

/// Why a region cannot be used.
enum RegionFailure: Error {
    /// The space does not have it.
    case absent
    /// The machine did not let this process look: for want of memory or of descriptors, or because
    /// the file is not trusted or was removed. It may be different for others, and later.
    case unavailable(SystemError)
}

/// The regions that this process has mapped, by number; a lock-free table that only grows.
///
/// Entries are written once under the space's mutex and published with a release store, so a
/// reader finds nil or a whole mapping.
@frozen @safe
public struct RegionTable: @unchecked Sendable {
    @usableFromInline let entries: UnsafeMutablePointer<Atomic<UInt>>

    init() {
        unsafe entries = .allocate(capacity: SpaceLayout.regionCountMax)
        for index in 0..<SpaceLayout.regionCountMax {
            unsafe (entries + index).initialize(to: Atomic(0))
        }
    }

    @inlinable @inline(__always)
    subscript(region: UInt64) -> RegionMapping? {
        guard region < 64 else { return nil }
        let bits = unsafe entries[Int(region)].load(ordering: .acquiring)
        return unsafe UnsafePointer<RegionMapping>(bitPattern: bits)?.pointee
    }

    /// The region of an address.
    @inlinable @inline(__always)
    subscript(containing address: UInt64) -> RegionMapping? { self[address >> Address.regionShift] }

    func publish(_ mapping: RegionMapping, as region: Int) {
        let cell = UnsafeMutablePointer<RegionMapping>.allocate(capacity: 1)
        unsafe cell.initialize(to: mapping)
        unsafe entries[region].store(UInt(bitPattern: cell), ordering: .releasing)
    }

    func unmapAll() {
        for index in 0..<SpaceLayout.regionCountMax {
            let bits = unsafe entries[index].exchange(0, ordering: .acquiringAndReleasing)
            guard let cell = unsafe UnsafeMutablePointer<RegionMapping>(bitPattern: bits) else {
                continue
            }
            unsafe cell.pointee.unmap()
            unsafe cell.deallocate()
        }
        unsafe entries.deallocate()
    }
}
