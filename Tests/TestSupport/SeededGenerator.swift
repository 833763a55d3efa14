import Glibc

/// A random generator whose run can be repeated (SplitMix64; Steele, Lea, Flood, OOPSLA 2014).
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}

/// A new seed, printed with what it is for; `RAINBOWFS_SEED` repeats an earlier run.
public func printedSeed(_ purpose: String) -> UInt64 {
    var seed = UInt64.random(in: 0...UInt64.max)
    if let text = unsafe getenv("RAINBOWFS_SEED") {
        seed = UInt64(unsafe String(cString: text)) ?? seed
    }
    print("\(purpose): RAINBOWFS_SEED=\(seed)")
    return seed
}

/// A whole number from the environment, for tests that can do more than they do each time.
public func environmentNumber(_ name: String, default value: Int) -> Int {
    guard let text = unsafe getenv(name) else { return value }
    return Int(unsafe String(cString: text)) ?? value
}
