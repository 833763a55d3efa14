import Foundation
import TestSupport
import Testing

/// poll(2), select(2) and epoll(7), as Python has them.
@Suite("Waiting for files of a mount")
struct PollTests {
    /// Waits for a file in one of four ways, round after round, while another thread commits at
    /// about the same time through the other mount. Each commit must end the wait, and nothing
    /// else may.
    private static let script = """
        import errno, os, random, select, sys, threading, time
        how, watched, written, rounds = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
        file = os.open(watched, os.O_RDONLY | os.O_NONBLOCK)
        poller = None
        if how == "poll":
            poller = select.poll()
            poller.register(file, select.POLLIN | select.POLLPRI)
        elif how.startswith("epoll"):
            poller = select.epoll()
            edge = select.EPOLLET if how == "epoll-edge" else 0
            poller.register(file, select.EPOLLIN | select.EPOLLPRI | edge)
        def wait(seconds):
            if how == "select":
                return any(select.select([file], [], [file], seconds))
            return bool(poller.poll(seconds * 1000 if how == "poll" else seconds))
        def drain():
            if not watched.endswith("/events"):
                return int(os.pread(file, 100, 0))
            text = b""
            try:
                while True:
                    text += os.read(file, 1 << 16)
            except BlockingIOError:
                return text.count(b"version")
        def commit(value, pause):
            time.sleep(pause)
            with open(written, "w") as other:
                other.write(str(value))
        if not watched.endswith("/events"):
            assert wait(0), "a file that was never read"
            drain()
        assert not wait(0), "nothing happened"
        began = time.monotonic()
        assert not wait(0.2) and time.monotonic() - began > 0.15, "still nothing"
        for value in range(1, rounds + 1):
            pause = random.choice([0, random.random() / 1000, 0.003])
            writer = threading.Thread(target=commit, args=(value, pause))
            writer.start()
            assert wait(60), f"the wakeup of commit {value} was lost"
            writer.join()
            found = drain()
            wanted = 1 if watched.endswith("/events") else value
            assert found == wanted, f"found {found} instead of {wanted}"
            if how != "epoll-edge":
                assert not wait(0), f"ready after commit {value} was read"
        print("done")
        """

    private func wait(_ how: String, _ mount: TestMount, _ watched: String) throws {
        let result = try mount.run([
            "timeout", "300", "python3", "-c", Self.script, how, watched,
            mount.two + "/names/n/value", "150",
        ])
        #expect(result.output == "done\n", "\(result.errors)")
    }

    @Test(
        "poll(2), select(2) and epoll(7) wake at the next commit to the object, of any mount.",
        arguments: ["poll", "select", "epoll", "epoll-edge"], ["value", "raw"])
    func objects(how: String, file: String) throws {
        let mount = try EventsTests.counter("poll")
        guard file == "raw" else { return try wait(how, mount, mount.one + "/names/n/value") }
        // The raw file has other content; its wakeups are those of the same object.
        let script = Self.script.replacing(
            "int(os.pread(file, 100, 0))", with: "int.from_bytes(os.pread(file, 8, 8), 'little')")
        let result = try mount.run([
            "timeout", "300", "python3", "-c", script, how, mount.one + "/names/n/raw",
            mount.two + "/names/n/value", "50",
        ])
        #expect(result.output == "done\n", "\(result.errors)")
    }

    @Test(
        "poll(2), select(2) and epoll(7) on `events` wake when a line can be read.",
        arguments: ["poll", "select", "epoll", "epoll-edge"])
    func events(how: String) throws {
        let mount = try EventsTests.counter("poll")
        try wait(how, mount, mount.one + "/events")
    }

    @Test("Commits to other objects wake nobody; those to the object wake all who wait")
    func others() throws {
        let mount = try EventsTests.counter("poll")
        let made = try mount.bash(
            """
            cd "$MOUNT" && printf 'bytes pad[128]\\nint64 value\\n' > classes/Wide &&
            rainbowfs new regions/transactional/a Wide
            """)
        let other = "\(mount.one)/\(made.output.split(separator: "\n").first ?? "")/value"
        var files = (0..<3).map { _ in
            pollfd(
                fd: unsafe open(mount.one + "/names/n/value", O_RDONLY),
                events: Int16(POLLPRI), revents: 0)
        }
        defer { for file in files { close(file.fd) } }
        let writer = startThread {
            for value in 0..<100 { try? "\(value)\n".write(toFile: other) }
        }
        #expect(unsafe poll(&files, 3, 300) == 0)
        pthread_join(writer, nil)
        EventsTests.set(1, mount.two)
        #expect(unsafe poll(&files, 3, 60_000) == 3)
    }

    @Test("Who waits when the mount ends is woken with an error")
    func ending() throws {
        let mount = try EventsTests.counter("poll")
        let child = try Child(
            "/usr/bin/env",
            [
                "python3", "-c",
                """
                import os, select, sys
                poller = select.poll()
                for path in sys.argv[1:]:
                    poller.register(os.open(path, os.O_RDONLY), select.POLLPRI)
                sys.exit(0 if all(e & select.POLLERR for _, e in poller.poll()) else 1)
                """, mount.one + "/events", mount.one + "/names/n/value",
            ])
        #expect(eventually { isBlocked(child.processID, in: .poll, on: "/events") })
        kill(try #require(mount.daemon()), SIGTERM)
        withDeadline(seconds: 60, "who polls a mount that ends") {
            #expect(child.wait() == .exited(0))
        }
        #expect(eventually { mount.daemon() == nil })
    }
}

extension String {
    /// One write(2), without a new file.
    fileprivate func write(toFile path: String) throws {
        let file = unsafe open(path, O_WRONLY)
        defer { close(file) }
        guard unsafe Glibc.write(file, self, utf8.count) == utf8.count else {
            throw SystemFailure("write \(path)")
        }
    }
}
