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

/// The map is a set of addresses. Whether an address is in a region of the space is known before.
extension ObjectMap {
    /// Whether the bit of an address is set.
    @inline(__always)
    static func contains(
        _ address: Address, _ tx: inout Transaction
    ) throws(TransactionError) -> Bool {
        guard tx.readsFixedView else { return try hasBit(address, &tx) }
        let position = tx.readPosition()
        let isObject = try hasBit(address, &tx)
        if isObject { tx.forgetReads(since: position) }
        return isObject
    }

    @inline(__always)
    private static func hasBit(
        _ address: Address, _ tx: inout Transaction
    ) throws(TransactionError) -> Bool {
        let word = try tx.load(word(of: address), as: UInt64.self)
        return word >> bit(of: address) & 1 != 0
    }

    static func insert(_ address: Address, _ tx: inout Transaction) throws(TransactionError) {
        let location = word(of: address)
        try tx.store(tx.load(location, as: UInt64.self) | 1 << bit(of: address), at: location)
    }

    static func remove(_ address: Address, _ tx: inout Transaction) throws(TransactionError) {
        let location = word(of: address)
        try tx.store(tx.load(location, as: UInt64.self) & ~(1 << bit(of: address)), at: location)
    }

    /// Sets the bits of `count` objects, `stride` bytes from one to the next, word by word. Between
    /// them nothing is set.
    static func insert(
        first: Address, stride: Int, count: Int, _ tx: inout Transaction
    ) throws(TransactionError) {
        let step = UInt64(stride / 8)
        var position = first.rawValue >> 3
        var rest = count
        var location = word(of: first)
        var bits = try tx.load(location, as: UInt64.self)
        while true {
            // The objects whose bits are in this word.
            let wordEnd = (position | 63) + 1
            while position < wordEnd, rest > 0 {
                bits |= 1 << (position & 63)
                position += step
                rest -= 1
            }
            try tx.store(bits, at: location)
            guard rest > 0 else { return }
            location = word(of: Address(position << 3))
            // The last word may hold bits of what lies after.
            bits = (rest &- 1) &* Int(step) < 64 ? try tx.load(location, as: UInt64.self) : 0
        }
    }

    /// How many objects have their header in the words of the map for a range.
    static func count(
        in range: Range<Address>, _ tx: inout Transaction
    ) throws(TransactionError) -> UInt64 {
        var count: UInt64 = 0
        var position = base(ofWordWith: range.lowerBound)
        while position < range.upperBound {
            let bits: UInt64 = try tx.load(word(of: position))
            count += UInt64(bits.nonzeroBitCount)
            position = position + Int(bytesPerWord)
        }
        return count
    }

    /// The lowest object from `position` on and below `end`, looking at no more than `words` words
    /// of the map; both tell afterwards how far the search came.
    static func first(
        from position: inout Address, to end: Address, words: inout Int, _ tx: inout Transaction
    ) throws(TransactionError) -> Address? {
        while position < end, words > 0 {
            words -= 1
            let base = base(ofWordWith: position)
            let below = bit(of: position)
            let whole: UInt64 = try tx.load(word(of: position))
            let bits = (whole >> below) << below
            if bits != 0 {
                position = min(base + bits.trailingZeroBitCount * 8, end)
                return position < end ? position : nil
            }
            position = base + Int(bytesPerWord)
        }
        return nil
    }

    /// The highest object in `range`, looking at no more than `words` words of the map.
    static func last(
        in range: Range<Address>, words: Int, _ tx: inout Transaction
    ) throws(TransactionError) -> Address? {
        guard range.lowerBound < range.upperBound else { return nil }
        var position = range.upperBound - 8
        for _ in 0..<words {
            let above = 63 - bit(of: position)
            let whole: UInt64 = try tx.load(word(of: position))
            let bits = (whole << above) >> above
            let base = base(ofWordWith: position)
            if bits != 0 {
                let found = base + (63 - bits.leadingZeroBitCount) * 8
                return found >= range.lowerBound ? found : nil
            }
            guard base > range.lowerBound else { return nil }
            position = base - 8
        }
        return nil
    }
}

extension Transaction {
    /// Whether a live object is at exactly this address.
    public mutating func isObject(_ address: Address) throws -> Bool {
        guard ObjectMap.canHold(address) else { return false }
        return try forgettingSearch { tx in
            try tx.regionExists(address.region) && ObjectMap.contains(address, &tx) ? true : nil
        } ?? false
    }

    /// The header word of a live object: the address of its class, and 1.
    mutating func header(of object: Address) throws -> UInt64 {
        guard try isObject(object) else {
            throw ObjectError.notFound(.object(object))
        }
        guard readsFixedView else { return try load(object, as: UInt64.self) }
        // That of a user's object never changes; one of the system may be removed.
        let position = readPosition()
        let header: UInt64 = try load(object)
        if BuiltInClass.of(header: header) == nil { forgetReads(since: position) }
        return header
    }
}
