import Glibc
import RainbowCore

/// Writes into the files of a space what no correct program would, as a stray pointer or a faulty
/// memory does: bits, bytes and words, mostly where programs look all the time.
public struct Damage {
    /// A part of a file that is worth damaging.
    private struct Target {
        var file: String
        var start: UInt64
        var count: UInt64
    }

    /// The files of a space, and the parts of them where something is (Docs/Layout.md).
    private static let targets = [
        // Words that all processes share, nodes, slots, ring, snapshots, conflicts.
        Target(file: "meta", start: 4096, count: 1024),
        Target(file: "meta", start: 8192, count: 8 * 1024),
        Target(file: "meta", start: 270_336, count: 16 * 128),
        Target(file: "meta", start: 270_336, count: 16 * 128),
        Target(file: "meta", start: 401_408, count: 1 << 20),
        Target(file: "meta", start: 1_449_984, count: 1 << 16),
        Target(file: "meta", start: 2_498_560, count: 16 * 256),
        Target(file: "meta", start: 2_629_632, count: 4096),
        // The logs of the first slots: fills, old words, entries.
        Target(file: "meta", start: 8_388_608, count: 2048),
        Target(file: "meta", start: 8_388_608 + 135_168, count: 8192),
        Target(file: "meta", start: 8_388_608 * 2, count: 2048),
        Target(file: "meta", start: 8_388_608 * 2 + 135_168, count: 8192),
        // The timeline.
        Target(file: "meta", start: 8_598_323_200, count: 2048),
        // Undo versions: chains and records.
        Target(file: "shadow", start: 0, count: 262_144),
        Target(file: "shadow", start: 262_144, count: 32_768),
        Target(file: "shadow", start: 262_144, count: 32_768),
        // The system's objects, and others.
        Target(file: "region-1", start: 4096, count: 32_768),
        Target(file: "region-1", start: 4096, count: 65_536),
        Target(file: "region-1", start: 1 << 36, count: 1 << 16),
        // Line words, object map, frame map, directory.
        Target(file: "region-1", start: 512 << 30, count: 16_384),
        Target(file: "region-1", start: 504 << 30, count: 2048),
        Target(file: "region-1", start: 576 << 30, count: 64),
        Target(file: "region-1", start: (576 << 30) + (16 << 20), count: 8),
    ]

    private let folder: String
    private var generator: SeededGenerator

    /// - Parameter folder: of the space's files.
    public init(folder: String, seed: UInt64) {
        self.folder = folder
        generator = SeededGenerator(seed: seed)
    }

    /// Does one piece of damage.
    /// - Returns: what it was, to be told if something comes of it.
    @discardableResult
    public mutating func strike() -> String {
        guard let target = Damage.targets.randomElement(using: &generator) else { return "" }
        let file = unsafe Glibc.open("\(folder)/\(target.file)", O_RDWR)
        guard file >= 0 else { return "no \(target.file)" }
        defer { close(file) }
        let place = target.start + UInt64.random(in: 0..<target.count / 8, using: &generator) * 8
        var word: UInt64 = 0
        unsafe _ = pread(file, &word, 8, off_t(place))
        let old = word
        switch Int.random(in: 0..<6, using: &generator) {
        case 0, 1, 2: word ^= 1 << UInt64.random(in: 0..<64, using: &generator)
        case 3:
            let shift = UInt64.random(in: 0..<8, using: &generator) * 8
            word ^= UInt64.random(in: 1...255, using: &generator) << shift
        case 4:
            word = [0, 1, .max, 1 << 63, .max >> 1, 63, 1 << 32].randomElement(using: &generator)!
        default: word = UInt64.random(in: 0...UInt64.max, using: &generator)
        }
        unsafe _ = pwrite(file, &word, 8, off_t(place))
        return "\(target.file) at \(place): \(old) became \(word)"
    }
}
