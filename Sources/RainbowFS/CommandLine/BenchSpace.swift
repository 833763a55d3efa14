import Core
import Glibc

/// A space that lives as long as a benchmark.
enum BenchSpace {
    /// Memory in the middle of the transactional region, far from where objects begin.
    static let memory = Address(region: 1, offset: Address.regionSize / 4)

    static func with<R>(_ purpose: String, _ body: (Space) throws -> R) throws -> R {
        let name = "bench-\(purpose)-\(getpid())"
        do {
            let space = try Space.attach(name)
            defer {
                space.detach()
                try? Space.destroy(name, force: true)
            }
            try space.createRegionFile(memory.region)
            return try body(space)
        } catch let error as SpaceError {
            throw CommandFailure(.refused, error.description)
        }
    }
}
