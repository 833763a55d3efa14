import Glibc
import RainbowCore
import Synchronization
import TestSupport
import Testing

@testable import RainbowFS

/// The lines of Docs/Semantics.md about permissions, without a mount; `MountTests` has more.
@Suite struct PermissionTests {
    let bank: Bank
    let fixture: TreeFixture
    private static let region = "regions/transactional"
    private let stranger = Caller(uid: 4001, gid: 4001, thread: 0)
    private let member = Caller(uid: 4002, gid: 4002, thread: 0, groups: [7, 4003, 9])

    init() throws {
        bank = try Bank()
        fixture = bank.fixture
    }

    private func attributes(mode: UInt32, type: UInt32 = S_IFREG) -> Attributes {
        Attributes(ino: 1, mode: type | mode, uid: 4000, gid: 4003)
    }

    private func change(_ path: String, _ change: AttributeChange, _ caller: Caller) throws
        -> UInt32
    {
        try fixture.tree.setAttributes(fixture.node(path), change, caller).0.mode & 0o7777
    }

    @Test("Owner, group and mode that stat(2) shows decide, with all groups of the caller.")
    func rule() {
        let owner = Caller(uid: 4000, gid: 4003, thread: 0, groups: [])
        let root = Caller(uid: 0, gid: 0, thread: 0)
        #expect(owner.may(.write, attributes(mode: 0o200)))
        #expect(!owner.may(.read, attributes(mode: 0o077)))
        #expect(member.may([.read, .write], attributes(mode: 0o060)))
        #expect(!member.may(.read, attributes(mode: 0o707)))
        #expect(stranger.may(.read, attributes(mode: 0o004)))
        #expect(!stranger.may([.read, .write], attributes(mode: 0o664)))
        #expect(root.may([.read, .write], attributes(mode: 0)))
        #expect(!root.may(.search, attributes(mode: 0o666)))
        #expect(root.may(.search, attributes(mode: 0, type: S_IFDIR)))
        let status = "Name:\tx\nGroups:\t4 24 4003 \nGid:\t1\n"
        #expect(ProcessGroups.parse(Array(status.utf8)) == [4, 24, 4003])
        #expect(ProcessGroups.parse(Array("Groups:\t\n".utf8)) == [])
        #expect(ProcessGroups.parse([]) == [] && ProcessGroups.of(0) == [])
    }

    @Test("A file made after the kernel looked for it opens for those who may open it.")
    func lateFiles() throws {
        let alice = try bank.new("balance=1")
        let object = try fixture.node(alice)
        func open(_ flags: Int32, _ caller: Caller) throws {
            let made = try fixture.tree.create(
                object, "balance", mode: 0o644, flags: flags, caller)
            made.1.close()
        }
        expectError(EACCES) { try open(O_WRONLY, stranger) }
        expectError(EACCES) { try open(O_RDWR | O_TRUNC, stranger) }
        expectError(EEXIST) { try open(O_RDONLY | O_EXCL, stranger) }
        try open(O_RDONLY, stranger)
        try open(O_RDWR, fixture.caller)
        _ = try change(Bank.allocator, AttributeChange(mode: 0o711, gid: 4003), fixture.caller)
        expectError(EACCES) { try open(O_RDONLY, stranger) }
        _ = try change(Bank.allocator, AttributeChange(mode: 0o777), fixture.caller)
        try open(O_WRONLY, stranger)
    }

    @Test("A change is made only if it is allowed at the time at which it is made.")
    func timeOfCheck() throws {
        let region = try fixture.node(Self.region)
        let ends = Atomic<Bool>(false)
        let (fixture, stranger) = (fixture, stranger)
        let made = Atomic<Int>(0)
        onThreads(3) { thread in
            guard thread == 0 else {
                var round = 0
                while !ends.load(ordering: .relaxed) {
                    round += 1
                    let name = "own\(thread).\(round)"
                    let entry = try? fixture.tree.makeDirectory(
                        region, name, mode: 0o755, stranger)
                    guard entry != nil else { continue }
                    made.add(1, ordering: .relaxed)
                    try? fixture.tree.removeDirectory(region, name, stranger)
                }
                return
            }
            defer { ends.store(true, ordering: .relaxed) }
            for _ in 0..<200 {
                func close(_ mode: UInt32) throws {
                    _ = try fixture.tree.setAttributes(
                        region, AttributeChange(mode: mode), fixture.caller)
                }
                do {
                    try close(0o777)
                    usleep(500)
                    try close(0o755)
                    let before = try fixture.list(Self.region)
                    usleep(500)
                    #expect(try fixture.list(Self.region) == before)
                } catch {
                    Issue.record(error)
                }
            }
        }
        #expect(made.load(ordering: .relaxed) > 0)
    }

    @Test("A mode that a caller outside the group sets loses the set-group-ID bit.")
    func setGroupID() throws {
        let path = Bank.allocator
        func mode(_ mode: UInt32, _ caller: Caller) throws -> UInt32 {
            try change(path, AttributeChange(mode: mode), caller)
        }
        let owner = Caller(uid: 4001, gid: 4001, thread: 0, groups: [4003])
        _ = try change(path, AttributeChange(uid: 4001, gid: 77), fixture.caller)
        #expect(try mode(0o2770, owner) == 0o770)
        #expect(try mode(0o2770, Caller(uid: 0, gid: 0, thread: 0)) == 0o2770)
        #expect(
            try change(path, AttributeChange(mode: 0o2750, gid: 4003), owner) == 0o2750)
        #expect(try mode(0o2755, owner) == 0o2755)
        #expect(try mode(0o2755, Caller(uid: 4001, gid: 1, thread: 0, groups: [])) == 0o755)
        expectError(EPERM) { _ = try mode(0o755, member) }
    }

    @Test("Times are set by the owner, and to now by who may write; else EPERM and EACCES.")
    func times() throws {
        let path = try bank.new() + "/balance"
        func touch(_ times: TimesChange, _ caller: Caller) throws {
            _ = try change(path, AttributeChange(times: times), caller)
        }
        expectError(EPERM) { try touch(.given, stranger) }
        expectError(EACCES) { try touch(.now, stranger) }
        _ = try change(Bank.allocator, AttributeChange(mode: 0o775, gid: 4003), fixture.caller)
        try touch(.now, member)
        expectError(EPERM) { try touch(.given, member) }
        try touch(.given, fixture.caller)
        try fixture.makeDirectory("snapshots/s")
        let old = try fixture.node("snapshots/s/" + path)
        expectError(EROFS) {
            _ = try fixture.tree.setAttributes(old, AttributeChange(times: .now), fixture.caller)
        }
        let readOnly = fixture.tree { $0.isReadOnly = true }
        expectError(EROFS) {
            _ = try readOnly.setAttributes(
                fixture.node(path), AttributeChange(times: .now), fixture.caller)
        }
    }

    @Test("The attributes `user.rainbow.*` are shown to who may read.")
    func extendedAttributes() throws {
        let node = try fixture.node(try bank.new() + "/balance")
        #expect(try !fixture.tree.extendedAttributeNames(node, stranger).isEmpty)
        _ = try change(Bank.allocator, AttributeChange(mode: 0o700), fixture.caller)
        #expect(try fixture.tree.extendedAttributeNames(node, stranger).isEmpty)
        expectError(EACCES) {
            _ = try fixture.tree.extendedAttribute(node, "user.rainbow.version", stranger)
        }
    }
}
