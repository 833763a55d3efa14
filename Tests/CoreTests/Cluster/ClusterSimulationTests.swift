import TestSupport
import Testing

@testable import RainbowCore

/// The rule of the cluster, with many machines in one process.
///
/// A failure names its seed: `RAINBOWFS_SEED=N RAINBOWFS_CLUSTER_SEEDS=1` repeats it, and a larger
/// number of seeds tries more.
@Suite struct ClusterSimulationTests {
    private static let shareCount = 4
    private static let seedCount = environmentNumber("RAINBOWFS_CLUSTER_SEEDS", default: 1000)

    @Test(
        "Machines that share a log decide alike; nothing is lost, happens twice, or is seen early",
        arguments: 0..<shareCount)
    func simulation(share: Int) {
        let seed = printedSeed("cluster")
        var counts: [String: Int] = [:]
        for index in stride(from: share, to: Self.seedCount, by: Self.shareCount) {
            let simulation = ClusterSimulation(seed: seed &+ UInt64(index))
            #expect(simulation.run().prefix(3) == [], "RAINBOWFS_SEED=\(seed &+ UInt64(index))")
            counts.merge(simulation.counts, uniquingKeysWith: +)
        }
        print("cluster: \(counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" })")
        guard Self.seedCount >= 1000 else { return }
        for kind in ["commits", "strict reads", "sequencers killed", "machines killed", "cuts"] {
            #expect(counts[kind] ?? 0 > Self.seedCount / 10, "too few \(kind)")
        }
    }

    @Test("Each mistake of a machine is noticed", arguments: Mistake.allCases)
    func mistakes(mistake: Mistake) {
        let seed = printedSeed("cluster with a mistake")
        let found = (0..<3000 as Range<UInt64>).first { index in
            !ClusterSimulation(seed: seed &+ index, mistake: mistake).run().isEmpty
        }
        print("\(mistake): run \(found.map(String.init) ?? "none")")
        #expect(found != nil)
    }
}
