import CLinux
import Glibc
import TestSupport
import Testing

@testable import RainbowFS

/// What `rainbowfs atomic` is made of, with real processes and pipes and without a mount.
@Suite(.serialized) struct AtomicPieceTests {
    // MARK: Arguments

    @Test(
        "Plain arguments mean the same to the short reader and to the argument parser",
        arguments: [
            ["true"], ["--", "true"], ["-C", "names", "-m", "/mnt", "--", "sh", "-c", "--stream"],
            ["--stream", "--verbose", "--retries", "3", "ls", "-l", "--", "--help"],
        ])
    func plainArguments(words: [String]) throws {
        let short = try #require(AtomicArguments(plain: words))
        let command = try #require(try RainbowFS.parseAsRoot(["atomic"] + words) as? AtomicCommand)
        #expect(command.arguments == short)
        #expect(short.command.first != "--")
    }

    @Test(
        "The short reader leaves help, mistakes and rare spellings to the argument parser",
        arguments: [
            [], ["--"], ["--help"], ["-h"], ["--retries"], ["--retries", "x", "true"],
            ["--retries=3", "true"], ["-C", "--", "true"], ["--vebose", "true"],
            ["--mount", "/mnt", "true"],
        ])
    func otherArguments(words: [String]) {
        #expect(AtomicArguments(plain: words) == nil)
    }

    @Test("Rare spellings are understood, mistakes are not")
    func rareArguments() throws {
        let words = ["atomic", "--retries=3", "--mount", "/mnt", "--", "true"]
        let command = try #require(try RainbowFS.parseAsRoot(words) as? AtomicCommand)
        #expect(command.arguments.retriesMax == 3 && command.arguments.mountPoint == "/mnt")
        for words in [[], ["--"], ["--vebose", "true"], ["--retries", "-1", "true"]] {
            #expect(throws: (any Error).self) { try RainbowFS.parseAsRoot(["atomic"] + words) }
        }
    }

    // MARK: Spool

    @Test("A spool gives back what it took, from memory and from a file", arguments: [0, 10, 1000])
    func spool(memoryBytesMax: Int) throws {
        let spool = Spool(memoryBytesMax: memoryBytesMax)
        let text = (0..<500).map { UInt8($0 & 0xff) }
        for start in stride(from: 0, to: 500, by: 7) {
            try append(text[start...].prefix(7), to: spool)
        }
        #expect(spool.count == 500 && spool.isInMemory == (memoryBytesMax == 1000))
        var piece = [UInt8](repeating: 0, count: 100)
        let size = unsafe try piece.withUnsafeMutableBytes {
            unsafe try spool.read(at: 450, into: $0)
        }
        #expect(size == 50 && Array(piece[..<50]) == Array(text[450...]))
        let pipe = try Pipe()
        unsafe try spool.copy { bytes throws(FileError) in
            unsafe try FileText.write(bytes, to: pipe.write, "a pipe")
        }
        pipe.closeWrite()
        #expect(pipe.readToEnd() == text)
    }

    // MARK: Input

    @Test("What a command left in a pipe is there for the next reader")
    func leftInput() throws {
        let pipe = try Pipe()
        pipe.put("one\ntwo\nthree\n")
        let input = InputReplay(pipe.read)
        #expect(try run("read a; echo $a", input) == "one\n")
        pipe.closeWrite()
        #expect(pipe.readToEnd() == Array("two\nthree\n".utf8))
    }

    @Test("A command that reads nothing leaves everything")
    func unreadInput() throws {
        let pipe = try Pipe()
        pipe.put("one\n")
        #expect(try run("true", InputReplay(pipe.read)) == "")
        pipe.closeWrite()
        #expect(pipe.readToEnd() == Array("one\n".utf8))
    }

    @Test("Each run reads the same from a pipe, and later ones may read on")
    func replayedPipe() throws {
        let pipe = try Pipe()
        pipe.put("one\ntwo\nthree\n")
        let input = InputReplay(pipe.read)
        #expect(try run("read a; echo $a", input) == "one\n")
        #expect(try run("read a; read b; echo $a $b", input) == "one two\n")
        #expect(try run("read a; echo $a", input) == "one\n")
        pipe.closeWrite()
        #expect(try run("cat", input) == "one\ntwo\nthree\n")
        #expect(try run("cat", input) == "one\ntwo\nthree\n")
    }

    @Test("Input of many pages comes whole and in order, from a slow writer too", arguments: 1...3)
    func longInput(runs: Int) throws {
        let pipe = try Pipe()
        let input = InputReplay(pipe.read)
        let writer = startThread {
            for index in 0..<30_000 {
                pipe.put("\(index)\n")
                if index % 7000 == 0 { usleep(20_000) }
            }
            pipe.closeWrite()
        }
        defer { pthread_join(writer, nil) }
        let wanted = (0..<30_000).map { "\($0)\n" }.joined()
        for _ in 0..<runs { #expect(try run("cat", input) == wanted) }
    }

    @Test("A socket is read no further than the command does, and replayed")
    func socket() throws {
        var ends: [Int32] = [-1, -1]
        try #require(unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        defer { close(ends[0]) }
        try FileText.write(Array("one\ntwo\n".utf8), to: ends[1])
        let input = InputReplay(ends[0])
        #expect(try run("read a; echo $a", input) == "one\n")
        close(ends[1])
        #expect(try run("cat", input) == "one\ntwo\n")
        #expect(try run("cat", input) == "one\ntwo\n")
    }

    @Test("A file is rewound to where it stood")
    func file() throws {
        let file = unsafe fileno(tmpfile())
        try FileText.write(Array("skipped\none\ntwo\n".utf8), to: file)
        lseek(file, 8, SEEK_SET)
        let input = InputReplay(file)
        for _ in 0..<2 {
            #expect(try input.beginRun() == nil)
            #expect(lseek(file, 0, SEEK_CUR) == 8)
            lseek(file, 3, SEEK_CUR)
        }
    }

    @Test("Input that goes on after the command has closed it holds nothing up")
    func closedInput() throws {
        let pipe = try Pipe()
        pipe.put(String(repeating: "x", count: 20_000))
        #expect(try run("exec <&-; echo done", InputReplay(pipe.read)) == "done\n")
        pipe.closeWrite()
        #expect(pipe.readToEnd().count == 20_000)
    }

    // MARK: Runs

    @Test("Output of any size is kept")
    func output() throws {
        let pipe = try Pipe()
        let text = try run("seq 400000", InputReplay(pipe.read))
        #expect(text.utf8.count == 2_688_895)
    }

    @Test("A background job that still has the output holds nothing up")
    func background() throws {
        let text = try withDeadline(seconds: 60, "a run with a job in the background") {
            try run("sleep 600 & echo $!", InputReplay(try Pipe().read))
        }
        let job = try #require(pid_t(text.dropLast()))
        #expect(kill(job, SIGKILL) == 0)
    }

    @Test("A background job that prints without end holds nothing up")
    func endlessOutput() throws {
        let text = try withDeadline(seconds: 60, "a run with a job that prints without end") {
            try run("yes & yes & sleep 0.05", InputReplay(try Pipe().read))
        }
        #expect(text.hasPrefix("y\ny\n"))
    }

    @Test(
        "How a command ends, and what it is in a shell",
        arguments: [
            ("exit 0", ProgramEnd.exited(0), 0), ("exit 7", .exited(7), 7),
            ("kill -TERM $$", .killed(SIGTERM), 143), ("kill -KILL $$", .killed(SIGKILL), 137),
        ])
    func ends(script: String, end: ProgramEnd, status: Int32) throws {
        let signals = try SignalForwarder()
        let run = try ProgramRun(
            ProgramSetup(words: ["sh", "-c", script]), input: InputReplay(try Pipe().read),
            output: nil, signals: signals)
        let found = try run.wait()
        #expect(found == end && found.exitStatus == status)
    }

    @Test("Variables are set, the others stay, and the folder is the one named")
    func setup() throws {
        let folder = unsafe open("/usr", rainbow_open_path | O_CLOEXEC)
        defer { close(folder) }
        let path = unsafe String(cString: getenv("PATH"))
        let text = try run(
            "echo $RAINBOW; echo \"$PATH\"; pwd; env | grep -c ^RAINBOW=",
            InputReplay(try Pipe().read), ["RAINBOW": "/a b"], folder)
        #expect(text == "/a b\n\(path)\n/usr\n1\n")
    }

    @Test(
        "A command that cannot be started has the exit statuses of env(1)",
        arguments: [
            ("no-such-program-anywhere", 127), ("/etc/passwd", 126), ("/usr", 126),
            ("/no/such/file", 127),
        ])
    func notStarted(word: String, status: Int32) throws {
        let signals = try SignalForwarder()
        let failure = #expect(throws: CommandFailure.self) {
            _ = try ProgramProcess(ProgramSetup(words: [word]), signals: signals)
        }
        #expect(failure?.status.rawValue == status)
        #expect(failure?.description.hasPrefix("\(word): ") == true)
    }

    // MARK: Help

    private func append(_ bytes: ArraySlice<UInt8>, to spool: Spool) throws {
        unsafe try bytes.withUnsafeBytes { unsafe try spool.append($0) }
    }

    /// What a shell prints that runs `script` with this input.
    private func run(
        _ script: String, _ input: InputReplay, _ environment: [String: String] = [:],
        _ folder: Int32? = nil
    ) throws -> String {
        let output = Spool()
        let signals = try SignalForwarder()
        signals.start()
        defer { signals.stop() }
        let setup = ProgramSetup(
            words: ["bash", "-c", script], environment: environment, folder: folder)
        let run = try ProgramRun(setup, input: input, output: output, signals: signals)
        #expect(try run.wait() == .exited(0))
        return try text(of: output)
    }

    private func text(of spool: Spool) throws -> String {
        var bytes = [UInt8](repeating: 0, count: spool.count)
        _ = unsafe try bytes.withUnsafeMutableBytes { unsafe try spool.read(at: 0, into: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A pipe whose ends close when nobody holds it.
private final class Pipe: @unchecked Sendable {
    let read: Int32
    private(set) var write: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard unsafe rainbow_pipe2(&ends, O_CLOEXEC) == 0 else {
            throw SystemFailure("make a pipe")
        }
        (read, write) = (ends[0], ends[1])
    }

    deinit {
        close(read)
        closeWrite()
    }

    func put(_ text: String) { try? FileText.write(Array(text.utf8), to: write) }

    func closeWrite() {
        if write >= 0 { close(write) }
        write = -1
    }

    func readToEnd() -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while case let count = unsafe Glibc.read(read, &piece, piece.count), count > 0 {
            bytes += piece[..<count]
        }
        return bytes
    }
}
