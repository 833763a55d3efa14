import CLinux
import Glibc
import TestSupport
import Testing

@Suite("Whatever number the kernel passes is an error at worst")
struct KernelNumberTests {
    /// Seconds of each of the two; minutes by hand: RAINBOWFS_FUZZ_SECONDS=600.
    private static let seconds = environmentNumber("RAINBOWFS_FUZZ_SECONDS", default: 20)

    private func mountedBank() throws -> TestMount {
        let mount = try TestMount("numbers")
        #expect(try mount.mount().status == 0)
        let made = try mount.bash(
            """
            cd "$MOUNT" && printf '%s\\n' 'int64 balance' 'ref<Account> heir' \
                'ref<Object> history[3]' 'int16 samples[4]' 'string label[8]' 'bytes data[6]' \
                >classes/Account && mkdir regions/transactional/bank &&
            echo 'capacity 64K' >regions/transactional/bank/allocator &&
            object=$(rainbowfs new regions/transactional/bank Account -n 20 | head -n 1) &&
            ln -s "../$object" names/a
            """)
        #expect(made.status == 0, "\(made.errors)")
        return mount
    }

    private func now() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    // MARK: The protocol

    @Test("A daemon that is told numbers no kernel would pass answers each request and lives on")
    func protocolNumbers() throws {
        let mount = try mountedBank()
        #expect(try mount.unmount().status == 0)
        let kernel = try FakeKernel(mount.space, environment: mount.environment)
        var run = ProtocolRun(kernel, SeededGenerator(seed: printedSeed("numbers of the kernel")))
        let end = now() + Double(Self.seconds)
        do {
            try run.prepare()
            while now() < end { try run.round() }
            #expect(try run.interruptAll(), "a read that waits is not answered when interrupted")
        } catch is FakeKernel.Ended {
            let status = kernel.daemon.wait()
            Issue.record("The daemon ended: \(status). The last requests:\n\(run.report)")
            return
        }
        print("numbers of the kernel: \(run.count) requests")
        #expect(run.faults == [])
        #expect(kernel.end() == .exited(0))
        let check = try mount.rainbowfs(["fsck", mount.space])
        #expect(check.status == 0, "\(check.output) \(check.errors)")
    }

    // MARK: System calls

    @Test("A user who passes any numbers to system calls on a mount does not end it")
    func systemCallNumbers() throws {
        let mount = try mountedBank()
        let made = try mount.bash("cd \"$MOUNT\" && mkdir snapshots/s transactions/t")
        #expect(made.status == 0)
        let daemon = try #require(mount.daemon())
        var run = SystemCallRun(
            mount, SeededGenerator(seed: printedSeed("numbers of system calls")))
        defer { run.end() }
        let end = now() + Double(Self.seconds) / 2
        while now() < end, kill(daemon, 0) == 0 { run.round() }
        print("numbers of system calls: \(run.count) calls")
        #expect(mount.daemon() == daemon, "the daemon ended at: \(run.last)")
        #expect(mount.answers())
        #expect(try mount.bash("cd \"$MOUNT\" && rmdir snapshots/s transactions/*").status == 0)
        let check = try mount.rainbowfs(["fsck", mount.space])
        #expect(check.status == 0, "\(check.output) \(check.errors)")
    }

    @Test("The offsets of a directory past the last region and past the last object are its end")
    func offsetsOfDirectories() throws {
        let mount = try mountedBank()
        #expect(try mount.bash("mkdir \"$MOUNT\"/snapshots/s").status == 0)
        for folder in ["objects", "snapshots/s/objects", "regions/transactional/bank"] {
            for offset in [65 << 39, 64 << 39, 1 << 45, Int.max, Int.max - 8, 63 << 39 | 5] {
                let directory = unsafe open("\(mount.one)/\(folder)", O_RDONLY | O_DIRECTORY)
                #expect(directory >= 0)
                defer { close(directory) }
                #expect(lseek(directory, offset, SEEK_SET) == offset)
                var entries = [UInt8](repeating: 0, count: 4096)
                let count = unsafe entries.withUnsafeMutableBytes { entries in
                    rainbow_system_call(
                        Int(SYS_getdents64), Int(directory), Int(bitPattern: entries.baseAddress),
                        entries.count, 0, 0, 0)
                }
                #expect(count == 0, "\(folder) \(offset) \(errno)")
            }
        }
        #expect(mount.answers())
    }
}
