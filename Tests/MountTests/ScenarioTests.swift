import Foundation
import TestSupport
import Testing

/// Shell sessions and what they print: `Scenarios/NAME.sh` beside `NAME.expected`.
///
/// A script runs in a fresh mount as its working directory. `$MOUNT` is that mount, `$MOUNT2` a
/// second one of the same space, `$SCRATCH` an empty folder outside, and `rainbowfs` is in the
/// path. Output and errors are compared together. Addresses are called `0x#1`, `0x#2`, ... in the
/// order in which they first appear, processes `#`, and the folders by the names of their
/// variables. Running the tests with UPDATE_EXPECTED=1 writes the `.expected` files again; read the
/// difference before you commit it.
@Suite("Sessions in a mount")
struct ScenarioTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Scenarios").path

    static let names: [String] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return files.filter { $0.hasSuffix(".sh") }.map { String($0.dropLast(3)) }.sorted()
    }()

    @Test("A session prints what it should", arguments: names)
    func session(_ name: String) throws {
        let mount = try TestMount("scenario")
        try mount.mount()
        try mount.mount(at: mount.two)
        let script = "cd \"$MOUNT\" && exec 2>&1 && . \(Self.folder)/\(name).sh"
        let result = try mount.bash(script)
        let output = Self.normalized(result.output + result.errors, mount)
        let expectedPath = "\(Self.folder)/\(name).expected"
        if ProcessInfo.processInfo.environment["UPDATE_EXPECTED"] != nil {
            try output.write(toFile: expectedPath, atomically: true, encoding: .utf8)
        }
        let expected = try String(contentsOfFile: expectedPath, encoding: .utf8)
        #expect(output == expected, "\(Self.difference(expected, output))")
        #expect(result.status == 0)
    }

    private static func normalized(_ text: String, _ mount: TestMount) -> String {
        var text = text.replacing(mount.one, with: "$MOUNT").replacing(mount.two, with: "$MOUNT2")
            .replacing("\(mount.folder)/scratch", with: "$SCRATCH")
            .replacing(mount.space, with: "$SPACE").replacing("\(folder)/", with: "")
            .replacing(/\[pid [0-9]+/, with: "[pid #")
            // A name of ln(1) that nobody chose.
            .replacing(/\/Cu[A-Za-z0-9]{6}\]/, with: "/CuXXXXXX]")
        var numbers: [Substring: Int] = [:]
        let original = text
        text = original.replacing(/0x[0-9a-f]{16}/) { match in
            let number = numbers[match.output, default: numbers.count + 1]
            numbers[match.output] = number
            return "0x#\(number)"
        }
        return text
    }

    private static func difference(_ expected: String, _ output: String) -> String {
        let wanted = expected.split(separator: "\n", omittingEmptySubsequences: false)
        let got = output.split(separator: "\n", omittingEmptySubsequences: false)
        let lines = wanted.difference(from: got).map { change in
            switch change {
            case .insert(let line, let text, _): "line \(line + 1) is missing: \(text)"
            case .remove(let line, let text, _): "line \(line + 1) is not expected: \(text)"
            }
        }
        return lines.joined(separator: "\n")
    }
}
