import Glibc
import RainbowCore
import Synchronization

/// A page source that keeps pages in files, and a thread that evicts pages at random all the time.
///
/// With `RAINBOWFS_EVICT=FOLDER` every process of the tests gets one for each space that it
/// attaches: so the tests run with pages that come and go under everything they do. The folder
/// has a file for each region of each space: at page * 8192 its bytes, its line words and 1.
public final class EvictingSource: PageSource {
    private let prefix: String
    private let files = Mutex<[Int: Int32]>([:])
    private let isStopped = Atomic<Bool>(false)
    private let thread = Mutex<pthread_t?>(nil)
    /// Pages evicted by this process, and brought back by it.
    public static let evicted = Atomic<Int>(0)
    public static let fetched = Atomic<Int>(0)

    public init(folder: String, identity: (UInt64, UInt64)) {
        prefix = "\(folder)/\(String(identity.0, radix: 16))\(String(identity.1, radix: 16))"
    }

    deinit { files.withLock { for file in $0.values { close(file) } } }

    private static let slotSize = 8192

    private func file(of page: Address) throws(SystemError) -> Int32 {
        let region = page.region
        return try files.withLock { files throws(SystemError) in
            if let file = files[region] { return file }
            let file = unsafe open("\(prefix)-\(region)", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            guard file >= 0 else { throw SystemError(errno: errno, action: "open a page file") }
            files[region] = file
            return file
        }
    }

    private static func offset(_ page: Address) -> Int {
        Int(page.offset / UInt64(Address.pageSize)) * slotSize
    }

    package func fetch(_ page: Address, into content: PageContent) throws(SystemError) -> Bool {
        let (file, offset) = (try file(of: page), EvictingSource.offset(page))
        var isKept: UInt64 = 0
        let words = offset + Address.pageSize
        guard unsafe pread(file, &isKept, 8, words + PageContent.wordsSize) == 8, isKept == 1,
            unsafe pread(file, content.bytes.baseAddress, Address.pageSize, offset)
                == Address.pageSize,
            unsafe pread(file, content.words.baseAddress, PageContent.wordsSize, words)
                == PageContent.wordsSize
        else { return false }
        EvictingSource.fetched.wrappingAdd(1, ordering: .relaxed)
        return true
    }

    package func keep(_ page: Address, _ content: PageContent) throws(SystemError) -> Bool {
        let (file, offset) = (try file(of: page), EvictingSource.offset(page))
        var isKept: UInt64 = 1
        let words = offset + Address.pageSize
        return unsafe pwrite(file, content.bytes.baseAddress, Address.pageSize, offset)
            == Address.pageSize
            && pwrite(file, content.words.baseAddress, PageContent.wordsSize, words)
                == PageContent.wordsSize
            && pwrite(file, &isKept, 8, words + PageContent.wordsSize) == 8
    }

    package func attached(to space: any PageEvictor) {
        thread.withLock { $0 = startThread { [weak space] in self.evict(of: { space }) } }
    }

    public func detaching() {
        isStopped.store(true, ordering: .releasing)
        thread.withLock { thread in
            guard let running = thread else { return }
            thread = nil
            // The last reference may go with the thread itself.
            if pthread_equal(running, pthread_self()) == 0 { pthread_join(running, nil) }
        }
    }

    private func evict(of space: () -> (any PageEvictor)?) {
        var generator = SeededGenerator(seed: UInt64(getpid()) << 32 | UInt64(time(nil)))
        while !isStopped.load(ordering: .acquiring), let space = space() {
            let region = Int.random(in: 0..<8, using: &generator) == 0 ? 2 : 1
            let resident = space.residentPages(ofRegion: region)
            if let first = resident.randomElement(using: &generator) {
                let count = UInt64.random(in: 1...16, using: &generator)
                let evicted = space.evict(pages: first..<first + count, milliseconds: 1)
                EvictingSource.evicted.wrappingAdd(evicted, ordering: .relaxed)
            }
            usleep(UInt32.random(in: 0...200, using: &generator))
        }
    }
}

/// Called before `main` of every program of the tests (`CAllocationCount`).
@_cdecl("rainbow_tests_begin")
func testsBegin() {
    guard let folder = unsafe getenv("RAINBOWFS_EVICT") else { return }
    let path = unsafe String(cString: folder)
    SpaceOptions.usualPageSource.withLock {
        $0 = { EvictingSource(folder: path, identity: $0) }
    }
}
