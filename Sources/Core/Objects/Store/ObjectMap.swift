/// The object map: one bit for each 8 bytes of a region, set where an object's header is.
///
///     region offset 504 GiB + offset / 64    the byte of the map for the 64 bytes at `offset`
///
/// An address is an object if and only if its bit is set. A header alone proves nothing, since any
/// scalar can hold the same number; so no address from outside is used before its bit was seen. The
/// map is transactional memory like all else: a bit and the object under it change in one commit.
/// One line of the map covers one page of objects, so objects on different pages never conflict.
enum ObjectMap {
    /// Bytes of objects that one 64-bit word of the map covers.
    static let bytesPerWord: UInt64 = 512
    /// Bytes of objects that one page of the map covers.
    static let bytesPerPage: UInt64 = 64 * 4096

    static func word(of address: Address) -> Address {
        let offset = SystemLayout.objectsEnd + address.offset / bytesPerWord * 8
        return Address(region: address.region, offset: offset)
    }

    static func bit(of address: Address) -> UInt64 { address.rawValue >> 3 & 63 }

    /// The lowest address that the word of the map with `address` in it covers.
    static func base(ofWordWith address: Address) -> Address {
        Address(address.rawValue & ~(bytesPerWord - 1))
    }

    /// Whether an object could begin at the address at all.
    static func canHold(_ address: Address) -> Bool {
        address.rawValue & 7 == 0 && address.offset >= UInt64(Address.pageSize)
            && address.offset < SystemLayout.objectsEnd
    }
}

extension Transaction {
    /// Whether a live object is at exactly this address.
    public mutating func isObject(_ address: Address) throws -> Bool {
        guard ObjectMap.canHold(address) else { return false }
        return try forgettingTheWay { tx in
            try tx.regionExists(address.region) && tx.isMarked(address) ? true : nil
        } ?? false
    }

    /// The header word of a live object: the address of its class, and 1.
    mutating func header(of object: Address) throws -> UInt64 {
        guard try isObject(object) else {
            throw ObjectError(.notFound, "There is no object at \(object).")
        }
        guard readsFixedMoment else { return try load(object, as: UInt64.self) }
        // That of a user's object never changes; one of the system may be removed.
        let mark = markReads()
        let header: UInt64 = try load(object)
        if BuiltInClass.of(header: header) == nil { forgetReads(since: mark) }
        return header
    }

    /// Whether the bit of an address is set; the address is in a region of the space.
    mutating func isMarked(_ address: Address) throws(TransactionError) -> Bool {
        guard readsFixedMoment else { return try isMarkedNow(address) }
        let mark = markReads()
        let isMarked = try isMarkedNow(address)
        if isMarked { forgetReads(since: mark) }
        return isMarked
    }

    @inline(__always)
    private mutating func isMarkedNow(_ address: Address) throws(TransactionError) -> Bool {
        let word = try load(ObjectMap.word(of: address), as: UInt64.self)
        return word >> ObjectMap.bit(of: address) & 1 != 0
    }

    mutating func setMark(_ address: Address) throws(TransactionError) {
        let place = ObjectMap.word(of: address)
        try store(load(place, as: UInt64.self) | 1 << ObjectMap.bit(of: address), at: place)
    }

    mutating func clearMark(_ address: Address) throws(TransactionError) {
        let place = ObjectMap.word(of: address)
        try store(load(place, as: UInt64.self) & ~(1 << ObjectMap.bit(of: address)), at: place)
    }

    /// Sets the bits of `count` objects, `stride` bytes from one to the next, word by word. Between
    /// them nothing is marked.
    mutating func setMarks(first: Address, stride: Int, count: Int) throws(TransactionError) {
        let step = UInt64(stride / 8)
        var position = first.rawValue >> 3
        var rest = count
        var place = ObjectMap.word(of: first)
        var word = try load(place, as: UInt64.self)
        while true {
            // The objects whose bits are in this word.
            let wordEnd = (position | 63) + 1
            while position < wordEnd, rest > 0 {
                word |= 1 << (position & 63)
                position += step
                rest -= 1
            }
            try store(word, at: place)
            guard rest > 0 else { return }
            place = ObjectMap.word(of: Address(position << 3))
            // The last word may hold bits of what lies behind.
            word = (rest &- 1) &* Int(step) < 64 ? try load(place, as: UInt64.self) : 0
        }
    }

    /// How many objects have their header in the words of the map for a range.
    mutating func markCount(_ range: Range<Address>) throws(TransactionError) -> UInt64 {
        var count: UInt64 = 0
        var position = ObjectMap.base(ofWordWith: range.lowerBound)
        while position < range.upperBound {
            let word: UInt64 = try load(ObjectMap.word(of: position))
            count += UInt64(word.nonzeroBitCount)
            position = position + Int(ObjectMap.bytesPerWord)
        }
        return count
    }

    /// The lowest marked address from `position` on and below `end`, looking at no more than
    /// `words` words of the map; both tell afterwards how far the search came.
    mutating func firstMark(
        from position: inout Address, to end: Address, words: inout Int
    ) throws(TransactionError) -> Address? {
        while position < end, words > 0 {
            words -= 1
            let base = ObjectMap.base(ofWordWith: position)
            let below = ObjectMap.bit(of: position)
            let whole: UInt64 = try load(ObjectMap.word(of: position))
            let word = (whole >> below) << below
            if word != 0 {
                position = min(base + word.trailingZeroBitCount * 8, end)
                return position < end ? position : nil
            }
            position = base + Int(ObjectMap.bytesPerWord)
        }
        return nil
    }

    /// The highest marked address in `range`, looking at no more than `words` words of the map.
    mutating func lastMark(in range: Range<Address>, words: Int) throws(TransactionError)
        -> Address?
    {
        guard range.lowerBound < range.upperBound else { return nil }
        var position = range.upperBound - 8
        for _ in 0..<words {
            let above = 63 - ObjectMap.bit(of: position)
            let whole: UInt64 = try load(ObjectMap.word(of: position))
            let word = (whole << above) >> above
            let base = ObjectMap.base(ofWordWith: position)
            if word != 0 {
                let found = base + (63 - word.leadingZeroBitCount) * 8
                return found >= range.lowerBound ? found : nil
            }
            guard base > range.lowerBound else { return nil }
            position = base - 8
        }
        return nil
    }
}
