import CAllocationCount
import Glibc
import RainbowCore
import Testing

@testable import RainbowFS

/// Reading and writing an open file costs one transaction and no memory.
@Suite struct TreeHotPathTests {
    /// Builds for debugging keep temporaries on the heap; that their number is the same for both
    /// sizes shows at least that no memory goes with the data.
    #if DEBUG
    private static let allocationsPerRoundMax = 150
    #else
    private static let allocationsPerRoundMax = 0
    #endif

    @Test(arguments: [64, 4096])
    func openFilesAllocateNothing(byteCount: Int) throws {
        let bank = try Bank()
        try bank.fixture.write(
            "bytes data[4096]\nint64 number\nint32 numbers[10]\n", to: "classes/Block")
        let object = try bank.new(class: "Block")
        let raw = try bank.fixture.open(bank.raw(object, class: "Block"), O_RDWR)
        let data = try bank.fixture.open(object + "/data", O_RDWR)
        let number = try bank.fixture.open(object + "/number", O_RDWR)
        let numbers = try bank.fixture.open(object + "/numbers", O_RDONLY)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 8)
        defer { unsafe memory.deallocate() }
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 7)
        let text = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[..<8])
        func round() throws {
            _ = unsafe try raw.write(at: 8, UnsafeRawBufferPointer(memory), isAppend: false)
            _ = unsafe try raw.read(at: 8, into: memory)
            _ = unsafe try data.write(at: 0, UnsafeRawBufferPointer(memory), isAppend: false)
            _ = unsafe try data.read(at: 0, into: memory)
            unsafe text.copyBytes(from: "12345678".utf8)
            _ = unsafe try number.write(at: 0, UnsafeRawBufferPointer(text), isAppend: false)
            _ = unsafe try number.read(at: 0, into: memory)
            _ = unsafe try numbers.read(at: 0, into: memory)
        }
        for _ in 0..<10 { try round() }
        let before = thread_allocation_count()
        for _ in 0..<100 { try round() }
        let count = Int(thread_allocation_count() - before)
        #expect(count <= TreeHotPathTests.allocationsPerRoundMax * 100)
    }
}
