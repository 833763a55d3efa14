/// What must hold of each structure of the object layer at any one version. Each function adds a
/// sentence for whatever does not.
extension RegionInfo {
    func checkInvariants(_ problems: inout [String], _ tx: inout Transaction) throws {
        if try RegionObject.find(number, &tx) != object {
            problems.append("The region \(name) is not found by its number.")
        }
        if try tx.region(named: name).address != address {
            problems.append("The region \(name) is not found by its name.")
        }
    }
}

extension AllocatorInfo {
    func checkInvariants(
        in region: RegionInfo, _ problems: inout [String], _ tx: inout Transaction
    ) throws {
        let name = "The allocator \(name)"
        if try tx.load(object.region) != region.object || self.region != region.number {
            problems.append("\(name) belongs to another region than \(region.name).")
        }
        if try tx.allocator(named: self.name, in: region).address != address {
            problems.append("\(name) is not found by its name.")
        }
        let extents = try tx.load(region.object.extents)
        let key = TableKey(extentAt: base)
        if try extents.entry(key, &tx) != address {
            problems.append("\(name) is not found by its location.")
        }
        let mask = UInt64(Address.pageSize - 1)
        if (base.rawValue | capacity) & mask != 0
            || base.offset + capacity > SystemLayout.objectsEnd
        {
            problems.append("\(name) does not have whole pages of its region.")
        }
        let next = try extents.entries(.extents, after: key.number, limit: 1, &tx).first
        if let next, try AllocatorObject(next).info(&tx).base < end {
            problems.append("\(name) overlaps the next one.")
        }
    }

    /// Checks up to `limit` objects from `position` on, none of which may begin before `end`, where
    /// the last one ended.
    func checkObjects(
        from position: Address, after end: Address, limit: Int, _ problems: inout [String],
        _ tx: inout Transaction
    ) throws -> (position: Address, end: Address, count: Int) {
        var words = 1 << 12
        var (position, end, count) = (position, end, 0)
        while count < limit, words > 0 {
            guard
                let object = try ObjectMap.first(from: &position, to: top, words: &words, &tx)
            else { break }
            count += 1
            position = object + 8
            do {
                let descriptor = try tx.descriptor(of: object)
                let start = descriptor.start(of: object)
                // With the rest of its last line, where it shares that with nobody.
                let own = start + descriptor.stride
                if start < end || own > top {
                    problems.append("The object at \(object) overlaps another or the allocator.")
                }
                if descriptor.alignedUp(start) != start {
                    problems.append("The object at \(object) begins within a line.")
                }
                end = max(end, own)
                try descriptor.checkReferences(of: object, &problems, &tx)
                try descriptor.checkSystemObject(object, &problems, &tx)
            } catch let error as ObjectError {
                problems.append("The object at \(object): \(error).")
            }
        }
        return (position, end, count)
    }
}

extension ClassDescriptor {
    func checkInvariants(_ problems: inout [String], _ tx: inout Transaction) throws {
        if try ClassObject.find(name, &tx) != object {
            problems.append("The class \(name) is not found by its name.")
        }
        let layout = try ClassLayout(declaration)
        var field = try tx.load(object.fields)
        for (index, known) in fields.enumerated() {
            try field.check(&tx)
            let offset = Int(try tx.load(field.offset))
            if offset != layout.offsets[index] || known.offset != layout.offsets[index] {
                problems.append("The field \(known.name) of \(name) is misplaced.")
            }
            if try tx.load(field.owner) != object {
                problems.append("The field \(known.name) of \(name) is another's.")
            }
            field = try tx.load(field.next)
        }
        var head = try tx.load(object.instances)
        var seen: Set<Backpack> = []
        while !head.isNull {
            guard seen.insert(head).inserted else {
                throw ObjectError.damaged("a list of backpacks without end", at: head.address)
            }
            try head.check(&tx)
            try head.checkInvariants(of: self, &problems, &tx)
            head = try tx.load(head.nextOfClass)
        }
    }

    fileprivate func checkReferences(
        of object: Address, _ problems: inout [String], _ tx: inout Transaction
    ) throws {
        for field in fields where field.isReference {
            for index in 0..<field.count {
                let target = Address(try tx.load(object + field.offset(ofElement: index)))
                do {
                    try tx.checkTarget(target, of: field)
                } catch let error as ObjectError {
                    if try isEmptyRun(index, field, of: object, &tx) { continue }
                    problems.append("The object at \(object): \(error).")
                }
            }
        }
    }

    /// Whether a reference says where the first object of a run would be, which has none yet.
    private func isEmptyRun(
        _ index: Int, _ field: FieldDescriptor, of object: Address, _ tx: inout Transaction
    ) throws -> Bool {
        guard header == Backpack.builtIn.header, field.name == "first" else { return false }
        let part = Backpack(object)
        if let run = try OpenRun(part, index, &tx) {
            return try !ObjectMap.contains(run.first, &tx)
        }
        return try tx.load(part.counts[index]) == 0
    }

    /// Checks that an object of the layer's own is in the structure it belongs to.
    fileprivate func checkSystemObject(
        _ object: Address, _ problems: inout [String], _ tx: inout Transaction
    ) throws {
        guard isSystem else { return }
        let isFound: Bool
        switch BuiltInClass.of(header: header) {
        case .name:
            isFound = try tx.nameObject(NameObject(object).fullName(&tx).string) == object
        case .class:
            let key = try TableKey(of: object, .classes, &tx)
            isFound = try tx.loadFixed(SystemObject.root.classes).entry(key, &tx) == object
        case .field:
            let field = FieldObject(object)
            let owner = try tx.load(field.owner)
            isFound = try owner.field(at: Int(tx.load(field.index)), &tx) == field
        default: isFound = true
        }
        if !isFound {
            problems.append("The \(name) at \(object) is in no list of its kind.")
        }
    }
}

extension Backpack {
    /// Checks that the runs of a head and its parts are as many objects as it says.
    fileprivate func checkInvariants(
        of descriptor: ClassDescriptor, _ problems: inout [String], _ tx: inout Transaction
    ) throws {
        let members = try tx.load(memberCount)
        let last = try tx.load(last)
        var (part, hasLast, found, open) = (self, false, UInt64(0), UInt64(0))
        var steps = 0
        while !part.isNull {
            try part.check(&steps, &tx)
            let runs = try part.runs(&tx)
            guard runs > 0 || part == self, found <= members else {
                throw ObjectError.damaged(
                    "a backpack of \(descriptor.name) with wrong runs", at: part.address)
            }
            for index in 0..<runs {
                guard let run = try OpenRun(part, index, &tx) else {
                    found &+= try tx.load(part.counts[index])
                    continue
                }
                open += 1
                try run.checkInvariants(of: descriptor, self, &problems, &tx)
            }
            hasLast = hasLast || part == last
            part = try tx.load(part.next)
        }
        if found != members {
            problems.append(
                "A backpack of \(descriptor.name) lists \(found) objects and counts \(members).")
        }
        if try tx.load(openRuns) != open {
            problems.append("A backpack of \(descriptor.name) does not know its open runs.")
        }
        if !hasLast {
            problems.append("A backpack of \(descriptor.name) does not know its last part.")
        }
    }
}

extension OpenRun {
    /// Checks that its room is the allocator's, and no objects in it are others than its own.
    fileprivate func checkInvariants(
        of descriptor: ClassDescriptor, _ head: Backpack, _ problems: inout [String],
        _ tx: inout Transaction
    ) throws {
        let extent = try tx.load(head.allocator).extent(&tx)
        let start = descriptor.start(of: first)
        guard slot < SpaceLayout.slotCountMax || slot == OpenRun.nobody, start >= extent.base,
            start + bytes <= extent.top
        else {
            throw ObjectError.damaged(
                "an open run of \(descriptor.name) outside of its allocator", at: part.address)
        }
        let made = try count(descriptor.stride, &tx)
        var position = first + made * descriptor.stride
        var words = bytes / Int(ObjectMap.bytesPerWord) + 2
        if let other = try ObjectMap.first(
            from: &position, to: start + bytes, words: &words, &tx)
        {
            problems.append("An open run of \(descriptor.name) has a gap before \(other).")
        }
    }
}

extension NameInfo {
    func checkInvariants(_ problems: inout [String], _ tx: inout Transaction) throws {
        if try tx.nameObject(name) != address {
            problems.append("The name \(name) is not where a search for it ends.")
        }
        if try !tx.isObject(target) {
            problems.append("The name \(name) leads to \(target), where no object is.")
        }
    }
}

extension ClassObject {
    /// Checks that each class counts right how many fields of other classes refer to it.
    static func checkReferrers(_ problems: inout [String], _ tx: inout Transaction) throws {
        var counts: [Address: UInt32] = [:]
        let table = try tx.loadFixed(SystemObject.root.classes)
        let classes = try table.entries(.classes, after: nil, limit: .max, &tx)
            .map(ClassObject.init).filter { !$0.isBuiltIn }
        for object in classes {
            let descriptor = try tx.classDescriptor(at: object.address)
            for field in descriptor.fields where field.target != object.address {
                counts[field.target, default: 0] += 1
            }
        }
        for object in classes {
            let (counted, found) = (try tx.load(object.referrers), counts[object.address] ?? 0)
            if counted != found {
                problems.append(
                    "The class at \(object.address) counts \(counted) referring fields, not "
                        + "\(found).")
            }
        }
    }

    fileprivate func field(at index: Int, _ tx: inout Transaction) throws -> FieldObject {
        try check(&tx)
        var field = try tx.load(fields)
        for _ in 0..<min(index, ObjectLimits.fieldCount) where !field.isNull {
            field = try tx.load(field.next)
        }
        return field
    }
}

extension BuiltInClass {
    /// Checks the list of freed objects, or its first part if it is long.
    func checkFreed(_ problems: inout [String], _ tx: inout Transaction) throws {
        let info = try AllocatorObject.system.info(&tx)
        var object = Address(try tx.load(freedList))
        for _ in 0..<10_000 {
            if object == .null { return }
            guard object.rawValue & 7 == 0, (info.base..<info.top).contains(object),
                try !ObjectMap.contains(object, &tx)
            else {
                problems.append("The list of freed \(name) objects leads to \(object).")
                return
            }
            object = Address(try tx.load(object, as: UInt64.self))
        }
    }
}
