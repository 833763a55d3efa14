/// An object in a listing.
public struct ObjectInfo: Sendable {
    public let address: Address
    public let descriptor: ClassDescriptor

    public init(address: Address, descriptor: ClassDescriptor) {
        self.address = address
        self.descriptor = descriptor
    }
}

/// A part of a listing, in the order of addresses.
public struct ObjectPage: Sendable {
    public var objects: [ObjectInfo] = []
    /// What the next part comes after; nil at the end. A part can be short or empty before that.
    public var next: Address?
}

extension Transaction {
    /// Words of the object map that one part of a listing looks at, so that it ends soon in a
    /// sparse allocator.
    private static let wordsPerPage = 1 << 15

    /// Up to `limit` objects of an allocator after an address; begin with null. Any address will
    /// do: after the last object there are none.
    public mutating func objects(
        in allocator: Address, after address: Address, limit: Int
    ) throws -> ObjectPage {
        var page = ObjectPage()
        var words = Transaction.wordsPerPage
        let info = try self.allocator(at: allocator)
        page.next = try collectObjects(of: info, after: address, limit, &words, &page.objects)
        return page
    }

    /// Up to `limit` objects that users made, of the whole space, after an address; begin with
    /// null. Any address will do: after the last object there are none. Those that the space
    /// itself is made of are the objects of the system allocator.
    public mutating func userObjects(after address: Address, limit: Int) throws -> ObjectPage {
        var page = ObjectPage()
        guard address.region < SpaceLayout.regionCountMax else { return page }
        var words = Transaction.wordsPerPage
        var position = address
        for number in position.region..<SpaceLayout.regionCountMax {
            guard let region = try RegionObject.find(number, &self) else { continue }
            if position.region < number { position = Address(region: number, offset: 0) }
            while let info = try region.allocator(reachingBeyond: position, &self) {
                guard info.region == number, position + 8 < info.end else {
                    throw ObjectError.damaged("an allocator in a wrong location", at: info.address)
                }
                guard !info.isSystem else {
                    position = info.end - 8
                    continue
                }
                let next = try collectObjects(
                    of: info, after: position, limit, &words, &page.objects)
                page.next = next ?? info.end - 8
                guard next == nil, page.objects.count < limit, words > 0 else { return page }
                position = info.end - 8
            }
        }
        page.next = nil
        return page
    }

    /// - Returns: the address to go on after, or nil if all objects were seen.
    private mutating func collectObjects(
        of info: AllocatorInfo, after address: Address, _ limit: Int, _ words: inout Int,
        _ objects: inout [ObjectInfo]
    ) throws -> Address? {
        // After the end, also where adding to the address would begin at zero again.
        guard address < info.top else { return nil }
        var position = max(info.base, address + 8)
        while position < info.top, objects.count < limit {
            if let found = try ObjectMap.first(
                from: &position, to: info.top, words: &words, &self)
            {
                objects.append(ObjectInfo(address: found, descriptor: try descriptor(of: found)))
                position = found + 8
            } else if position < info.top {
                break
            }
        }
        return position < info.top ? position - 8 : nil
    }
}
