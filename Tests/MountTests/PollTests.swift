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
        is_stream = watched.endswith("/events")
        # A line to read is data; a commit to an object is told as urgent.
        wanted_events = select.POLLIN if is_stream else select.POLLPRI
        poller = None
        if how == "poll":
            poller = select.poll()
            poller.register(file, wanted_events)
        elif how.startswith("epoll"):
            poller = select.epoll()
            edge = select.EPOLLET if how == "epoll-edge" else 0
            poller.register(file, wanted_events | edge)
        def wait(seconds):
            if how == "select":
                lists = ([file], [], []) if is_stream else ([], [], [file])
                return any(select.select(*lists, seconds))
            found = poller.poll(seconds * 1000 if how == "poll" else seconds)
            assert all(events == wanted_events for _, events in found), found
            return bool(found)
        def drain():
            if not is_stream:
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
            wanted = 1 if is_stream else value
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
        "Each commit to the object, of any mount, wakes who waits for POLLPRI, without POLLERR.",
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

    @Test(
        "What can be read is always readable, for poll(2), select(2) and epoll(7).",
        arguments: ["value", "raw"])
    func readable(file: String) throws {
        let mount = try EventsTests.counter("poll")
        let result = try mount.run([
            "timeout", "60", "python3", "-c",
            """
            import os, select, sys
            file = os.open(sys.argv[1], os.O_RDWR)
            poller = select.poll()
            poller.register(file, select.POLLIN | select.POLLOUT | select.POLLPRI)
            level, edge = select.epoll(), select.epoll()
            level.register(file, select.EPOLLIN)
            edge.register(file, select.EPOLLIN | select.EPOLLET)
            def check(urgent):
                events = select.POLLIN | select.POLLOUT | (select.POLLPRI if urgent else 0)
                assert poller.poll(0) == [(file, events)], poller.poll(0)
                assert select.select([file], [file], [file], 0) == ([file], [file], [file] * urgent)
                assert level.poll(0) == [(file, select.EPOLLIN)]
            def commit():
                with open(sys.argv[2], "w") as other:
                    other.write("5")
            check(False)
            assert edge.poll(10) == [(file, select.EPOLLIN)], "once"
            os.read(file, 1)
            check(False)
            assert edge.poll(0.2) == []
            while os.read(file, 100):
                check(False)
            for _ in range(20):
                commit()
                assert edge.poll(60) == [(file, select.EPOLLIN)], "each commit is an edge"
                check(True)
                os.pread(file, 100, 0)
                check(False)
            print("done")
            """, "\(mount.one)/names/n/\(file)", "\(mount.two)/names/n/value",
        ])
        #expect(result.output == "done\n", "\(result.errors)")
    }

    @Test("pv, socat and io_uring read a file to its end, whether there are commits or not.")
    func programs() throws {
        let mount = try EventsTests.counter("poll")
        try Self.ringSource.write(
            toFile: "\(mount.folder)/scratch/ring.c", atomically: true, encoding: .utf8)
        let result = try mount.bash(
            """
            cd "$MOUNT" && echo 'bytes d[262144]' >classes/Wide && exec 2>&1 || exit
            object=$(rainbowfs new regions/transactional/a Wide)
            echo 7 >names/n/value
            timeout 60 pv -q "$object/d" | wc -c
            timeout 60 pv -q names/n/value
            timeout 60 socat -u FILE:names/n/value -
            timeout 60 socat -u "FILE:$object/d" - | wc -c
            gcc -o "$SCRATCH/ring" "$SCRATCH/ring.c" -luring || exit
            timeout 60 "$SCRATCH/ring" names/n/value 100
            timeout 60 "$SCRATCH/ring" "$object/d" 100
            """)
        #expect(
            result.output == "262144\n7\n7\n262144\n100 reads of 2\n100 reads of 4096\n")
    }

    /// Reads the start of a file again and again by io_uring, one read at a time.
    private static let ringSource = """
        #include <fcntl.h>
        #include <liburing.h>
        #include <stdio.h>
        #include <stdlib.h>
        int main(int count, char **words) {
            struct io_uring ring;
            struct io_uring_cqe *done;
            static char buffer[4096];
            int file = open(words[1], O_RDONLY), found = 0, i, wanted = atoi(words[2]);
            if (count < 3 || file < 0 || io_uring_queue_init(8, &ring, 0) < 0) return 1;
            for (i = 0; i < wanted; i++) {
                io_uring_prep_read(io_uring_get_sqe(&ring), file, buffer, sizeof buffer, 0);
                if (io_uring_submit(&ring) != 1 || io_uring_wait_cqe(&ring, &done) < 0) return 2;
                found = done->res;
                io_uring_cqe_seen(&ring, done);
                if (found <= 0) break;
            }
            printf("%d reads of %d\\n", i, found);
            return 0;
        }
        """

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
