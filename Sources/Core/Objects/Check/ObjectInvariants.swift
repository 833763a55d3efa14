/// What must hold of each structure of the object layer at any one moment. Each function adds a
/// sentence for whatever does not.
extension Transaction {
    mutating func checkInvariants(of region: RegionInfo, _ problems: inout [String]) throws {
        if try regionObject(region.number) != region.address {
            problems.append("The region \(region.name) is not found by its number.")
        }
        if try self.region(named: region.name).address != region.address {
            problems.append("The region \(region.name) is not found by its name.")
        }
    }

    mutating func checkInvariants(
        of allocator: AllocatorInfo, in region: RegionInfo, _ problems: inout [String]
    ) throws {
        let name = "The allocator \(allocator.name)"
        if try link(allocator.address, SystemLayout.Allocator.region) != region.address
            || allocator.region != region.number
        {
            problems.append("\(name) belongs to another region than \(region.name).")
        }
        if try self.allocator(named: allocator.name, in: region).address != allocator.address {
            problems.append("\(name) is not found by its name.")
        }
        let extents = try link(region.address, SystemLayout.Region.extents)
        let key = TableKey(extentAt: allocator.base)
        if try tableEntry(key, in: extents) != allocator.address {
            problems.append("\(name) is not found by its place.")
        }
        let mask = UInt64(Address.pageSize - 1)
        if (allocator.base.rawValue | allocator.capacity) & mask != 0
            || allocator.base.offset + allocator.capacity > SystemLayout.objectsEnd
        {
            problems.append("\(name) does not have whole pages of its region.")
        }
        let next = try tableEntries(.extents, in: extents, after: key.number, limit: 1).first
        if let next, try allocatorInfo(next).base < allocator.end {
            problems.append("\(name) overlaps the one behind it.")
        }
    }

    /// Checks up to `limit` objects of an allocator from `position` on, none of which may begin
    /// before `end`, where the last one ended.
    mutating func checkInvariants(
        ofObjectsIn allocator: AllocatorInfo, from position: Address, after end: Address,
        limit: Int, _ problems: inout [String]
    ) throws -> (position: Address, end: Address, count: Int) {
        var words = 1 << 12
        var (position, end, count) = (position, end, 0)
        while count < limit, words > 0 {
            guard let object = try firstMark(from: &position, to: allocator.top, words: &words)
            else { break }
            count += 1
            position = object + 8
            do {
                let descriptor = try descriptor(of: object)
                let start = descriptor.start(of: object)
                // With the rest of its last line, where it shares that with nobody.
                let own = start + descriptor.stride
                if start < end || own > allocator.top {
                    problems.append("The object at \(object) overlaps another or the allocator.")
                }
                if descriptor.alignedUp(start) != start {
                    problems.append("The object at \(object) begins within a line.")
                }
                end = max(end, own)
                try checkReferences(of: object, descriptor, &problems)
                try checkSystemObject(object, descriptor, &problems)
            } catch let error as ObjectError {
                problems.append("The object at \(object): \(error.message)")
            }
        }
        return (position, end, count)
    }

    mutating func checkInvariants(
        of descriptor: ClassDescriptor, _ problems: inout [String]
    ) throws {
        let address = descriptor.address
        if try classObject(named: descriptor.name) != address {
            problems.append("The class \(descriptor.name) is not found by its name.")
        }
        let layout = try ClassLayout(descriptor.declaration)
        var field = try link(address, SystemLayout.Class.fields)
        for (index, known) in descriptor.fields.enumerated() {
            try expect(.field, at: field)
            let offset: Int32 = try load(field + SystemLayout.Field.offset)
            if Int(offset) != layout.offsets[index] || known.offset != layout.offsets[index] {
                problems.append("The field \(known.name) of \(descriptor.name) is misplaced.")
            }
            if try link(field, SystemLayout.Field.owner) != address {
                problems.append("The field \(known.name) of \(descriptor.name) is another's.")
            }
            field = try link(field, SystemLayout.Field.next)
        }
        var head = try link(address, SystemLayout.Class.instances)
        var seen: Set<Address> = []
        while head != .null {
            guard seen.insert(head).inserted else {
                throw ObjectError.damaged("a list of backpacks without end", at: head)
            }
            try expect(.backpack, at: head)
            try checkInvariants(ofBackpack: head, descriptor, &problems)
            head = try link(head, SystemLayout.Backpack.nextOfClass)
        }
    }

    /// Checks that the runs of a backpack are as many objects as it says.
    mutating func checkInvariants(
        ofBackpack head: Address, _ descriptor: ClassDescriptor, _ problems: inout [String]
    ) throws {
        let members: UInt64 = try load(head + SystemLayout.Backpack.memberCount)
        var (part, last, found) = (head, head, UInt64(0))
        var steps = 0
        while part != .null {
            try checkHead(part, &steps)
            let runs = try runCount(of: part)
            guard runs > 0, found < members else {
                throw ObjectError.damaged(
                    "a backpack of \(descriptor.name) with wrong runs", at: part)
            }
            for run in 0..<runs {
                found &+= try load(countPlace(part, run), as: UInt64.self)
            }
            last = part
            part = try link(part, SystemLayout.Backpack.next)
        }
        if found != members {
            problems.append(
                "A backpack of \(descriptor.name) lists \(found) objects and counts \(members).")
        }
        if try link(head, SystemLayout.Backpack.last) != last {
            problems.append("A backpack of \(descriptor.name) does not know its last part.")
        }
    }

    mutating func checkInvariants(of name: NameInfo, _ problems: inout [String]) throws {
        if try nameObject(name.name) != name.address {
            problems.append("The name \(name.name) is not where a search for it ends.")
        }
        if try !isObject(name.target) {
            problems.append("The name \(name.name) leads to \(name.target), where no object is.")
        }
    }

    /// Checks that each class counts right how many fields of other classes refer to it.
    mutating func checkInvariantsOfReferrers(_ problems: inout [String]) throws {
        var counts: [Address: UInt32] = [:]
        let classes = try tableEntries(.classes, in: classesRoot(), after: nil, limit: .max)
        for entry in classes where BuiltInClass.of(header: entry.rawValue | 1) == nil {
            for field in try classDescriptor(at: entry).fields where field.target != entry {
                counts[field.target, default: 0] += 1
            }
        }
        for entry in classes where BuiltInClass.of(header: entry.rawValue | 1) == nil {
            let counted: UInt32 = try load(entry + SystemLayout.Class.referrers)
            if counted != counts[entry] ?? 0 {
                problems.append(
                    "The class at \(entry) counts \(counted) referring fields, not "
                        + "\(counts[entry] ?? 0).")
            }
        }
    }

    /// Checks a list of freed objects, or its first part if it is long.
    mutating func checkInvariants(ofFreed builtIn: BuiltInClass, _ problems: inout [String]) throws
    {
        let list = ObjectSystem.root + (SystemLayout.System.freed + 8 * builtIn.rawValue)
        let info = try allocatorInfo(ObjectSystem.systemAllocator)
        var object = Address(try load(list, as: UInt64.self))
        for _ in 0..<10_000 {
            if object == .null { return }
            guard object.rawValue & 7 == 0, (info.base..<info.top).contains(object),
                try !isMarked(object)
            else {
                problems.append("The list of freed \(builtIn.name) objects leads to \(object).")
                return
            }
            object = Address(try load(object, as: UInt64.self))
        }
    }

    mutating func isCurrent(_ descriptor: ClassDescriptor) throws -> Bool {
        guard try isMarked(descriptor.address) else { return false }
        let revision: UInt64 = try load(descriptor.address + SystemLayout.Class.revision)
        return revision == descriptor.revision
    }

    // MARK: Objects

    private mutating func checkReferences(
        of object: Address, _ descriptor: ClassDescriptor, _ problems: inout [String]
    ) throws {
        for field in descriptor.fields where field.isReference {
            for index in 0..<field.count {
                let target = try link(object, -field.offset / 8 - 1 + index)
                do {
                    try checkTarget(target, of: field)
                } catch let error as ObjectError {
                    problems.append("The object at \(object): \(error.message)")
                }
            }
        }
    }

    /// Checks that an object of the layer's own is in the structure it belongs to.
    private mutating func checkSystemObject(
        _ object: Address, _ descriptor: ClassDescriptor, _ problems: inout [String]
    ) throws {
        guard descriptor.isSystem else { return }
        let isFound: Bool
        switch BuiltInClass.of(header: descriptor.header) {
        case .name:
            isFound = try nameObject(loadBoundName(of: object).string) == object
        case .class:
            isFound = try tableEntry(tableKey(of: object, .classes), in: classesRoot()) == object
        case .field:
            let owner = try link(object, SystemLayout.Field.owner)
            let index: UInt16 = try load(object + SystemLayout.Field.index)
            isFound = try self.field(at: Int(index), ofClassAt: owner) == object
        default: isFound = true
        }
        if !isFound {
            problems.append("The \(descriptor.name) at \(object) is in no list of its kind.")
        }
    }

    private mutating func field(at index: Int, ofClassAt owner: Address) throws -> Address {
        try expect(.class, at: owner)
        var field = try link(owner, SystemLayout.Class.fields)
        for _ in 0..<min(index, ObjectLimits.fieldCount) where field != .null {
            field = try link(field, SystemLayout.Field.next)
        }
        return field
    }
}
