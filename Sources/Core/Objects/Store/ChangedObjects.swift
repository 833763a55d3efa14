/// The objects that a commit touched, found from the lines that it wrote.
public struct ChangedObjects: Sendable {
    /// In the order of addresses.
    public var objects: [ObjectInfo] = []
    /// Whether there are more than were asked for, or the commit does not say what it wrote.
    public var isTruncated = false
    /// Lines written in allocators that were not looked at.
    public var skippedLines = 0

    public init() {}
}

extension CommitNews {
    /// The pages in ascending order, each once; nil: any page.
    public var sortedPages: [(page: UInt64, lines: UInt64)]? {
        guard let pages else { return nil }
        guard zip(pages, pages.dropFirst()).contains(where: { $0.page >= $1.page }) else {
            return pages
        }
        var sorted: [(page: UInt64, lines: UInt64)] = []
        for (page, lines) in pages.sorted(by: { $0.page < $1.page }) {
            if sorted.last?.page == page {
                sorted[sorted.count - 1].lines |= lines
            } else {
                sorted.append((page, lines))
            }
        }
        return sorted
    }
}

extension Transaction {
    /// The objects that have a byte on one of these lines.
    ///
    /// As of the transaction's read version: what was an object only when the lines were written is
    /// not among them. Objects that share a line are all there, since commits know lines only.
    /// - Parameters:
    ///   - pages: pages with masks of lines, in ascending order, each page once.
    ///   - limit: how many objects to find at most.
    ///   - isShown: of an allocator, whether its objects are looked for.
    public mutating func objects(
        onLinesOf pages: [(page: UInt64, lines: UInt64)], limit: Int,
        where isShown: (AllocatorInfo) -> Bool = { _ in true }
    ) throws -> ChangedObjects {
        var found = ChangedObjects()
        var allocator: AllocatorInfo?
        for (page, lines) in pages {
            let base = Address(page: page)
            guard lines != 0, base.offset < SystemLayout.objectsEnd,
                try regionExists(base.region)
            else { continue }
            if allocator.map({ base < $0.base || base >= $0.end }) ?? true {
                allocator = try self.allocator(containing: base)
            }
            guard let allocator else { continue }
            guard isShown(allocator) else {
                found.skippedLines += lines.nonzeroBitCount
                continue
            }
            if found.isTruncated { continue }
            try collect(from: base, lines, in: allocator.base..<allocator.top, limit, &found)
        }
        return found
    }

    /// The objects that have a byte in a range, in the order of addresses.
    public mutating func objects(in range: Range<Address>) throws -> [ObjectInfo] {
        var found: [ObjectInfo] = []
        var position = range.lowerBound
        while position < range.upperBound {
            guard let object = try object(containing: position) else {
                position = Address((position.rawValue & ~7) + 8)
                continue
            }
            let descriptor = try descriptor(of: object)
            found.append(ObjectInfo(address: object, descriptor: descriptor))
            position = max(descriptor.memory(of: object).upperBound, position + 8)
        }
        return found
    }

    /// Whose an object is: of its allocator; an object of the system, of what it stands for. Nil if
    /// it only serves others, as the tables of the space do.
    public mutating func ownership(of object: ObjectInfo) throws -> Ownership? {
        let address = object.address
        guard object.descriptor.isSystem else { return try ownership(ofObjectAt: address) }
        switch BuiltInClass.named(object.descriptor.name) {
        case .allocator where address == SystemArea.allocator: return nil
        case .allocator: return try load(AllocatorObject(address).ownership)
        case .region: return try load(RegionObject(address).ownership)
        case .name: return try systemInfo().names
        default: return nil
        }
    }

    /// - Parameter range: where objects can be.
    private mutating func collect(
        from base: Address, _ lines: UInt64, in range: Range<Address>, _ limit: Int,
        _ found: inout ChangedObjects
    ) throws {
        let low = base + lines.trailingZeroBitCount * Address.lineSize
        let high = base + (64 - lines.leadingZeroBitCount) * Address.lineSize
        // The nearest header below may belong to an object that reaches up to the lines; after
        // them, one whose references do.
        var next = try ObjectMap.last(
            in: range.lowerBound..<max(range.lowerBound, min(low, range.upperBound)),
            words: Transaction.wordsPerObject, &self)
        var position = max(low, range.lowerBound)
        var words = Transaction.wordsPerObject + Address.pageSize / 8
        while true {
            if let header = next {
                let descriptor = try descriptor(of: header)
                let memory = descriptor.memory(of: header)
                if Self.overlaps(memory, lines, low..<high),
                    found.objects.last.map({ $0.address < header }) ?? true
                {
                    found.isTruncated = found.objects.count >= limit
                    if found.isTruncated { return }
                    found.objects.append(ObjectInfo(address: header, descriptor: descriptor))
                }
                if memory.upperBound >= high || header >= high { return }
                position = max(position, header + 8)
            }
            next = try ObjectMap.first(
                from: &position, to: range.upperBound, words: &words, &self)
            if next == nil { return }
        }
    }

    /// - Parameter location: from the first to after the last of the lines.
    private static func overlaps(
        _ object: Range<Address>, _ lines: UInt64, _ location: Range<Address>
    ) -> Bool {
        let part = object.clamped(to: location)
        guard !part.isEmpty else { return false }
        let first = part.lowerBound.line & 63
        let last = (part.upperBound - 1).line & 63
        return lines & (~0 << first) & (~0 >> (63 - last)) != 0
    }
}
