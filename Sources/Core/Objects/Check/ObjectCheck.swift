/// What a check of the object layer has looked at, and what it found.
public struct ObjectCheck: Hashable, Sendable {
    public var regions = 0
    public var allocators = 0
    public var classes = 0
    public var objects = 0
    public var names = 0
    /// Broken invariants; each was reported with a sentence.
    public var problems = 0
}

extension Space {
    /// Checks every invariant of the object layer.
    ///
    /// Works in many small transactions, each of which checks what must hold at one version, so it
    /// finds nothing wrong in a sound space however busy it is, and stops nobody.
    /// - Parameter report: gets a sentence for each problem.
    public func checkObjects(report: (String) -> Void) throws -> ObjectCheck {
        var checker = ObjectChecker(space: self)
        try checker.checkSystem(report)
        try checker.checkRegions(report)
        try checker.checkClasses(report)
        try checker.checkNames(report)
        return checker.result
    }
}

/// The walk over all structures that `Space.checkObjects` makes.
private struct ObjectChecker {
    /// Entries that one transaction looks at.
    static let pageSize = 256
    /// Objects that a backpack lists wrongly, before the rest of it is given up.
    static let problemsMax = 1000

    let space: Space
    var result = ObjectCheck()

    mutating func checkSystem(_ report: (String) -> Void) throws {
        try step(report) { tx, problems in
            guard try tx.isObject(SystemArea.root) else {
                problems.append("The System object is missing.")
                return
            }
            for builtIn in BuiltInClass.allCases {
                try builtIn.checkFreed(&problems, &tx)
            }
        }
    }

    mutating func checkRegions(_ report: (String) -> Void) throws {
        var key: UInt64 = 0
        while true {
            let page = try step(report) { tx, problems in
                let page = try tx.regions(after: key, limit: ObjectChecker.pageSize)
                for region in page { try region.checkInvariants(&problems, &tx) }
                return page
            }
            guard let page, let last = page.last else { return }
            key = last.key
            result.regions += page.count
            for region in page where hasFile(region, report) {
                try checkAllocators(in: region, report)
            }
        }
    }

    /// Whether the region's file is there, or this process has it. Without it there is nothing
    /// else to say of the region.
    mutating func hasFile(_ region: RegionInfo, _ report: (String) -> Void) -> Bool {
        do throws(RegionFailure) {
            _ = try space.mapRegion(region.number)
            return true
        } catch {
            let file = SpaceDirectory.regionFile(region.number)
            switch error {
            case .absent: tell("\(region.name): its file \(file) is gone or cut short.", report)
            case .unavailable(let error): tell("\(region.name): cannot \(error).", report)
            }
            return false
        }
    }

    mutating func checkAllocators(in region: RegionInfo, _ report: (String) -> Void) throws {
        var key: UInt64 = 0
        while true {
            let page = try step(report) { tx, problems in
                let page = try tx.allocators(in: region, after: key, limit: ObjectChecker.pageSize)
                for allocator in page {
                    try allocator.checkInvariants(in: region, &problems, &tx)
                }
                return page
            }
            guard let page, let last = page.last else { return }
            key = last.key
            result.allocators += page.count
            for allocator in page { try checkObjects(in: allocator.address, report) }
        }
    }

    /// Checks the objects below the top, and their number; nothing moves them.
    mutating func checkObjects(in allocator: Address, _ report: (String) -> Void) throws {
        let start = try step(report) { tx, _ in
            let info = try tx.allocator(at: allocator)
            return (info: info, count: info.isSystem ? 0 : try tx.objectCount(in: allocator))
        }
        guard let (info, expected) = start else { return }
        var position = info.base
        var previousEnd = info.base
        var count: UInt64 = 0
        while position < info.top {
            let page = try step(report) { tx, problems in
                try info.checkObjects(
                    from: position, after: previousEnd, limit: ObjectChecker.pageSize, &problems,
                    &tx)
            }
            guard let page else { return }
            (position, previousEnd) = (page.position, page.end)
            count += UInt64(page.count)
        }
        result.objects += Int(count)
        guard !info.isSystem, count != expected else { return }
        // Open runs below the top fill meanwhile.
        let now = try step(report) { tx, _ in try tx.objectCount(in: allocator) }
        if let now, !(expected...max(expected, now)).contains(count) {
            tell("\(info.name) holds \(count) objects, its backpacks list \(expected).", report)
        }
    }

    mutating func checkClasses(_ report: (String) -> Void) throws {
        try step(report) { tx, problems in try ClassObject.checkReferrers(&problems, &tx) }
        var key: UInt64 = 0
        while true {
            let page = try step(report) { tx, problems in
                let page = try tx.classes(after: key, limit: ObjectChecker.pageSize)
                var sound: [ClassDescriptor] = []
                for entry in page {
                    let before = problems.count
                    try entry.descriptor.checkInvariants(&problems, &tx)
                    if problems.count == before, !entry.descriptor.isSystem {
                        sound.append(entry.descriptor)
                    }
                }
                return (last: page.last?.key, count: page.count, sound: sound)
            }
            guard let page, let last = page.last else { return }
            key = last
            result.classes += page.count
            for descriptor in page.sound { try checkInstances(of: descriptor, report) }
        }
    }

    /// - Parameter descriptor: of a class whose backpacks are sound, so that their lists end.
    mutating func checkInstances(
        of descriptor: ClassDescriptor, _ report: (String) -> Void
    ) throws {
        var cursor: InstanceCursor?
        let problemsMax = result.problems + ObjectChecker.problemsMax
        repeat {
            let page = try step(report) { tx, problems in
                // A class that was removed or redefined meanwhile has no objects.
                guard try descriptor.object.isCurrent(descriptor.revision, &tx) else {
                    return InstancePage()
                }
                let page = try tx.instances(
                    of: descriptor, after: cursor, limit: ObjectChecker.pageSize)
                for object in page.objects {
                    guard try tx.isObject(object),
                        try tx.load(object, as: UInt64.self) == descriptor.header
                    else {
                        problems.append("The backpack of \(descriptor.name) lists \(object).")
                        continue
                    }
                }
                return page
            }
            guard let page else { return }
            cursor = page.next
        } while cursor != nil && result.problems < problemsMax
    }

    mutating func checkNames(_ report: (String) -> Void) throws {
        var key: UInt64 = 0
        while true {
            let page = try step(report) { tx, problems in
                let page = try tx.names(after: key, limit: ObjectChecker.pageSize)
                for name in page { try name.checkInvariants(&problems, &tx) }
                return page
            }
            guard let page, let last = page.last else { return }
            key = last.key
            result.names += page.count
        }
    }

    // MARK: Steps

    /// One transaction of the check. Damage that stops it is a problem like any other.
    /// - Returns: nil if it was stopped.
    @discardableResult
    mutating func step<R>(
        _ report: (String) -> Void, _ body: (inout Transaction, inout [String]) throws -> R
    ) throws -> R? {
        let (value, problems) = try space.transact { tx -> (R?, [String]) in
            var problems: [String] = []
            do {
                let value = try body(&tx, &problems)
                return (value, problems)
            } catch let error as ObjectError {
                return (nil, problems + ["\(error)."])
            } catch TransactionError.invalidAddress(let address) {
                return (nil, problems + ["A link leads to \(address), outside of all regions."])
            } catch TransactionError.damaged(let address) {
                return (nil, problems + ["The line at \(address) is locked or dated wrongly."])
            }
        }
        for problem in problems { tell(problem, report) }
        return value
    }

    mutating func tell(_ problem: String, _ report: (String) -> Void) {
        result.problems += 1
        report(problem)
    }
}
