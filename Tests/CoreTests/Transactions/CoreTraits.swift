import Glibc
import Testing

/// All tests of transactional memory, one after another: many need the processors for themselves.
@Suite(.serialized, .leavesNoSpace)
enum TransactionalMemory {}

/// Fails a test that does not remove its own space.
struct LeavesNoSpace: SuiteTrait, TestTrait, TestScoping {
    let isRecursive = true

    func scopeProvider(for test: Test, testCase: Test.Case?) -> Self? {
        testCase == nil ? nil : self
    }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await function()
        #expect(Self.spacesOfThisProcess() == [])
    }

    /// The spaces in shared memory whose names `coreSpaceName` gave.
    static func spacesOfThisProcess() -> [String] {
        guard let folder = unsafe opendir("/dev/shm") else { return [] }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasPrefix("rainbowfs.core-\(getpid())-") { names.append(name) }
        }
        return names
    }
}

extension Trait where Self == LeavesNoSpace {
    static var leavesNoSpace: Self { LeavesNoSpace() }
}
