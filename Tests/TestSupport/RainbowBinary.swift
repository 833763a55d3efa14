import Foundation

/// The program under test, as this build made it.
public enum RainbowBinary {
    public static let path: String = {
        if let path = ProcessInfo.processInfo.environment["RAINBOWFS_BINARY"] { return path }
        // The tests are a bundle beside the program.
        let bundle = CommandLine.arguments.first { $0.contains(".xctest") }
        let folder = bundle.map { URL(fileURLWithPath: $0.replacing("file://", with: "")) }
        for folder in [folder?.deletingLastPathComponent(), buildFolder].compactMap({ $0 }) {
            let program = folder.appendingPathComponent("rainbowfs").path
            if FileManager.default.isExecutableFile(atPath: program) { return program }
        }
        fatalError("the program rainbowfs is not built; run swift build first")
    }()

    public static var directory: String {
        URL(fileURLWithPath: path).deletingLastPathComponent().path
    }

    private static var buildFolder: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent(".build/debug")
    }
}
