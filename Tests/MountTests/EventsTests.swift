import Foundation
import Synchronization
import TestSupport
import Testing

/// `events` as programs see it: reads that wait, and what ends them.
@Suite("Events of a mount")
struct EventsTests {
    /// Two mounts of a space with an object, `names/n`, whose field `value` is a number.
    static func counter(_ prefix: String) throws -> TestMount {
        let mount = try TestMount(prefix)
        try mount.mount()
        try mount.mount(at: mount.two)
        let result = try mount.bash(
            """
            cd "$MOUNT" && echo 'int64 value' > classes/N && mkdir regions/transactional/a &&
            object=$(rainbowfs new regions/transactional/a N) && ln -s "../$object" names/n
            """)
        try #require(result.status == 0, "\(result.errors)")
        return mount
    }

    static func set(_ value: Int, _ point: String) {
        let file = unsafe open(point + "/names/n/value", O_WRONLY)
        defer { close(file) }
        let text = "\(value)\n"
        #expect(unsafe write(file, text, text.utf8.count) == text.utf8.count)
    }

    /// Returns when the process waits in a read of `events`.
    static func waitUntilParked(_ process: pid_t) {
        #expect(eventually { isBlocked(process, in: .read, on: "/events") })
    }

    /// Returns when the process waits for the time to pass, with a file open.
    static func waitUntilAsleep(_ process: pid_t, on name: String) {
        #expect(eventually { isBlocked(process, in: .sleep, on: name) })
    }

    @Test(
        "Reading `events` waits for the next commit of any mount; with O_NONBLOCK it is EAGAIN."
    )
    func waiting() throws {
        let mount = try Self.counter("waiting")
        let file = unsafe open(mount.one + "/events", O_RDONLY)
        defer { close(file) }
        for (index, point) in [mount.one, mount.two, mount.two].enumerated() {
            let text = Mutex("")
            let thread = startThread { text.withLock { $0 = Self.readText(file) } }
            usleep(index == 2 ? 0 : 20_000)
            Self.set(index, point)
            withDeadline(seconds: 60, "a read of events") { _ = pthread_join(thread, nil) }
            #expect(text.withLock { $0 }.hasPrefix("{\"version\": "))
            #expect(text.withLock { $0 }.split(separator: "\n").count == 1)
        }
        #expect(fcntl(file, F_SETFL, O_NONBLOCK) == 0)
        #expect(Self.readText(file) == "" && errno == EAGAIN)
        Self.set(9, mount.two)
        #expect(eventually { Self.readText(file).contains("\"class\": \"N\"") })
        #expect(fcntl(file, F_SETFL, 0) == 0)
    }

    private static func readText(_ file: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = unsafe read(file, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    @Test(
        "cat, jq, head, timeout, and loops of bash read it as they read a pipe",
        arguments: [
            ("cat $MOUNT2/events | jq -r --unbuffered '.objects[].class' | head -n 3", "N\nN\nN\n"),
            ("head -n 2 $MOUNT2/events | grep -c version", "2\n"),
            (
                "while read -r line; do echo ${#line}; ((++n == 2)) && break; done < $MOUNT2/events"
                    + " | sed 's/^1[0-9][0-9]$/long/'", "long\nlong\n"
            ),
            (
                "timeout 5 cat $MOUNT2/events > $SCRATCH/a; echo $?; head -c 3 $SCRATCH/a",
                "124\n{\"v"
            ),
            (
                "read -r -t 60 line < <(cat $MOUNT2/events); [[ $line == *version* ]] && echo yes",
                "yes\n"
            ),
            ("dd if=$MOUNT2/events bs=1 count=10 2>/dev/null; echo", "{\"version\"\n"),
        ])
    func tools(script: String, output: String) throws {
        let mount = try Self.counter("tools")
        let isDone = Atomic<Bool>(false)
        // As long as it takes: a reader that comes late finds something to read, too.
        let writer = startThread {
            var value = 0
            while !isDone.load(ordering: .relaxed) {
                Self.set(value, mount.one)
                value += 1
                usleep(3_000)
            }
        }
        defer {
            isDone.store(true, ordering: .relaxed)
            pthread_join(writer, nil)
        }
        let result = try mount.bash(script)
        #expect(result.output == output, "\(result.errors)")
    }

    @Test(
        "`tail -f` shows each commit; to others `events` has no size, and tar does not wait in it."
    )
    func tail() throws {
        let mount = try Self.counter("tail")
        #expect(try mount.bash("stat -c %s $MOUNT/events").output == "0\n")
        let output = "\(mount.folder)/scratch/tail"
        let child = try Child(
            "/bin/bash", ["-c", "exec tail -f \(mount.one)/events > \(output) 2>&1"])
        Self.waitUntilAsleep(child.processID, on: "/events")
        for count in 1...3 {
            Self.set(count, mount.two)
            Self.set(count, mount.one)
            #expect(
                eventually {
                    let text = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
                    return text.split(separator: "\n").count == 2 * count
                })
        }
        #expect(try mount.bash("stat -c %s $MOUNT/events").output == "0\n")
        #expect(try mount.bash("timeout 60 tar -C $MOUNT -c events | tar t").output == "events\n")
        child.kill()
        let text = try String(contentsOfFile: output, encoding: .utf8)
        #expect(text.split(separator: "\n").allSatisfy { $0.hasPrefix("{\"version\"") }, "\(text)")
    }

    @Test("`tail -f` of `messages` goes on when old ones are dropped, and when all are")
    func tailOfMessages() throws {
        let mount = try Self.counter("tail")
        let output = "\(mount.folder)/scratch/tail"
        let child = try Child(
            "/bin/bash",
            ["-c", "exec tail -n 0 -s 0.1 -f \(mount.one)/messages > \(output) 2>&1"])
        defer { child.kill() }
        Self.waitUntilAsleep(child.processID, on: "/messages")
        func fail(_ count: Int) {
            let file = unsafe open(mount.one + "/names/n/value", O_WRONLY)
            defer { close(file) }
            for number in 0..<count { unsafe _ = pwrite(file, "no number \(number)", 20, 0) }
        }
        var wanted = 0
        func expectAll(_ count: Int) {
            wanted += count
            var text = ""
            let isThere = eventually {
                text = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
                return text.split(separator: "\n").count >= wanted
            }
            #expect(isThere && text.split(separator: "\n").count == wanted)
            #expect(!text.contains("truncated"), "\(text.prefix(500))")
        }
        // More in all than the 1000 that are kept, but not between two looks of tail(1).
        for _ in 0..<8 {
            fail(300)
            expectAll(300)
        }
        #expect(try mount.bash("echo clear messages > $MOUNT/control").status == 0)
        fail(1)
        expectAll(1)
    }

    @Test(
        "A signal ends a read that waits, with EINTR, or the program with it.",
        arguments: [SIGINT, SIGTERM, SIGKILL])
    func signals(signal: Int32) throws {
        let mount = try Self.counter("signals")
        let readers = try (0..<8).map { index in
            // The user of the tests may ignore signals, which children inherit.
            try Child(
                "/usr/bin/env",
                ["--default-signal", "cat", "\(index % 2 == 0 ? mount.one : mount.two)/events"])
        }
        for reader in readers { Self.waitUntilParked(reader.processID) }
        for reader in readers { reader.sendSignal(signal) }
        withDeadline(seconds: 60, "a reader that was sent signal \(signal)") {
            for reader in readers { #expect(reader.wait() == .signaled(signal)) }
        }
        Self.set(1, mount.one)
        #expect(try mount.unmount().status == 0)
        #expect(try mount.unmount(mount.two).status == 0)
    }

    @Test("Readers who are interrupted again and again still get every commit once, in order")
    func interrupts() throws {
        let mount = try Self.counter("interrupts")
        var action = sigaction()
        unsafe action.__sigaction_handler.sa_handler = { _ in }
        unsafe sigaction(SIGUSR2, &action, nil)
        let last = Atomic<UInt64>(0)
        let interrupted = Atomic<Int>(0)
        let files = (0..<4).map {
            unsafe open(($0 % 2 == 0 ? mount.one : mount.two) + "/events", O_RDONLY)
        }
        let texts = Mutex([String](repeating: "", count: files.count))
        let threads = files.indices.map { index in
            startThread {
                // Threads of the test runner block signals, and their children inherit that.
                var wanted = sigset_t()
                unsafe sigaddset(&wanted, SIGUSR2)
                unsafe pthread_sigmask(SIG_UNBLOCK, &wanted, nil)
                var text = ""
                while text.split(separator: "\n").count < 400 {
                    let piece = Self.readText(files[index])
                    if piece.isEmpty, errno == EINTR {
                        interrupted.wrappingAdd(1, ordering: .relaxed)
                    } else if piece.isEmpty {
                        break
                    }
                    text += piece
                }
                texts.withLock { $0[index] = text }
                last.wrappingAdd(1, ordering: .releasing)
            }
        }
        withDeadline(seconds: 300, "readers that are interrupted") {
            // Nothing happens yet, so that one is sure to be interrupted while it waits.
            while interrupted.load(ordering: .relaxed) == 0 {
                pthread_kill(threads[0], SIGUSR2)
                usleep(1_000)
            }
            for value in 0..<400 {
                Self.set(value, value % 3 == 0 ? mount.two : mount.one)
                pthread_kill(threads[value % threads.count], SIGUSR2)
                if value % 7 == 0 { usleep(1_000) }
                pthread_kill(threads[value / 2 % threads.count], SIGUSR2)
            }
            for thread in threads { pthread_join(thread, nil) }
        }
        for file in files { close(file) }
        #expect(interrupted.load(ordering: .relaxed) > 0)
        for text in texts.withLock({ $0 }) {
            let versions = text.matches(of: /"version": (\d+)/).compactMap { UInt64($0.1) }
            #expect(versions.count == 400 && !text.contains("lost"))
            #expect(zip(versions, versions.dropFirst()).allSatisfy { $0 + 1 == $1 })
        }
    }

    @Test("When the mount ends, reads that wait find the end of the file.")
    func ending() throws {
        let mount = try Self.counter("ending")
        let readers = try (0..<3).map { _ in try Child("/bin/cat", [mount.one + "/events"]) }
        for reader in readers { Self.waitUntilParked(reader.processID) }
        #expect(try mount.unmount().status != 0, "files are open")
        let daemon = try #require(mount.daemon())
        kill(daemon, SIGTERM)
        withDeadline(seconds: 60, "readers of a mount that ends") {
            for reader in readers { #expect(reader.wait() == .exited(0)) }
        }
        #expect(eventually { mount.daemon() == nil })
    }

    @Test("After a lazy unmount readers are told of commits until they close")
    func lazyUnmount() throws {
        let mount = try Self.counter("lazy")
        let output = "\(mount.folder)/scratch/cat"
        let reader = try Child("/bin/bash", ["-c", "exec cat \(mount.one)/events > \(output)"])
        Self.waitUntilParked(reader.processID)
        #expect(try mount.run(["fusermount3", "-uz", mount.one]).status == 0)
        Self.set(1, mount.two)
        #expect(
            eventually {
                (try? String(contentsOfFile: output, encoding: .utf8))?.hasSuffix("}\n") == true
            })
        reader.kill()
        #expect(eventually { mount.daemon() == nil })
    }

    @Test("Readers of a mount whose daemon is killed get an error, and do not hang")
    func killedDaemon() throws {
        let mount = try Self.counter("killed")
        let reader = try Child("/bin/cat", [mount.one + "/events"])
        Self.waitUntilParked(reader.processID)
        kill(try #require(mount.daemon()), SIGKILL)
        withDeadline(seconds: 60, "a reader of a killed daemon") {
            #expect(reader.wait() == .exited(1))
        }
    }
}
