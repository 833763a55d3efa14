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

    @Test("There are examples")
    func presence() {
        #expect(Self.names.contains("readme.sh") && Self.names.count >= 5)
    }
}
