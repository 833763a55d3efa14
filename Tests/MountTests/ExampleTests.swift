import Foundation
import TestSupport
import Testing

/// The scripts of `Examples/`, which check their own output; one of them is the session of the
/// README.
@Suite("Examples")
struct ExampleTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Examples")
        .path

    static let names: [String] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return files.filter { $0.hasSuffix(".sh") }.sorted()
    }()

    @Test("An example finds everything as it should be", arguments: names)
    func example(_ name: String) throws {
        let result = try Shell.run(
            ["bash", "\(Self.folder)/\(name)"], environment: ["RAINBOWFS": RainbowBinary.path])
        #expect(result.status == 0, "\(result.output)\(result.errors)")
        #expect(result.errors == "")
    }

    @Test(
        "An example that is interrupted leaves nothing, also if it is again meanwhile",
        arguments: ["bank.sh", "work-queue.sh", "snapshot.sh"])
    func interruption(_ name: String) throws {
        let script = """
            set -m
            for round in 1 2 3 4; do
                bash "$1" >/dev/null 2>&1 &
                process=$!
                spaces=
                until [[ -n $spaces ]]; do
                    daemon=$(pgrep -n -f "^rainbowfs [a-z]+ $TMPDIR/") || continue
                    spaces=$(sed -z -n 's/^RAINBOWFS_DIR=//p' "/proc/$daemon/environ" | tr -d '\\0')
                done
                while kill -INT -- "-$process"; do sleep 0.005; done
                wait $process
                echo $?
                ls -A "$TMPDIR"
                ls -d "$spaces"
            done 2>/dev/null
            """
        let scratch = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: scratch) }
        let result = try Shell.run(
            ["timeout", "120", "bash", "-c", script, "bash", "\(Self.folder)/\(name)"],
            environment: ["RAINBOWFS": RainbowBinary.path, "TMPDIR": scratch.path])
        #expect(result.output == String(repeating: "130\n", count: 4), "\(result.errors)")
    }

    @Test("There are examples")
    func presence() {
        #expect(Self.names.contains("readme.sh") && Self.names.count >= 5)
    }
}
