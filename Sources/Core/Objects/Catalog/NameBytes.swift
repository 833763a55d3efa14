/// A name of up to 256 bytes as the words that it is stored in, NUL padded; no heap memory.
struct NameBytes: Sendable {
    static let capacity = 256
    private(set) var words = InlineArray<32, UInt64>(repeating: 0)
    private(set) var count = 0

    init() {}

    /// - Throws: `.invalid` for a name that no directory entry can have, `.nameTooLong`.
    init(_ name: String, limit: Int, what: ObjectError.Named) throws(ObjectError) {
        guard name.systemByteCount <= limit else {
            throw ObjectError.nameTooLong(what, max: limit)
        }
        var isPlain = true
        name.forEachSystemByte { byte in
            isPlain = isPlain && byte != 0 && byte != UInt8(ascii: "/")
            append(byte)
        }
        let isDots = words[0] == 0x2e && count == 1 || words[0] == 0x2e2e && count == 2
        guard isPlain, count > 0, !isDots else {
            throw ObjectError.invalid(.name(of: what))
        }
    }

    mutating func append(_ byte: UInt8) {
        words[count / 8] |= UInt64(byte) << UInt64(count % 8 * 8)
        count += 1
    }

    /// Takes over a stored word; the name ends at the first NUL.
    mutating func set(_ word: UInt64, at index: Int) {
        words[index] = word
        guard word != 0 else { return }
        count = index * 8 + 8 - word.leadingZeroBitCount / 8
    }

    /// Words in use, the last one padded.
    var wordCount: Int { (count + 7) / 8 }

    /// A number between 0 and 2^60 that is the same in every process; different names rarely share
    /// it, and if they do under one seed, not under others.
    func hash(seed: UInt64) -> UInt64 {
        var hash = NameBytes.mix(UInt64(count) &+ seed &* 0x9e37_79b9_7f4a_7c15)
        for index in 0..<wordCount {
            hash = NameBytes.mix(hash ^ words[index] &+ seed)
        }
        return hash >> 4
    }

    /// The finalizer of MurmurHash3, which spreads every bit over all others.
    static func mix(_ word: UInt64) -> UInt64 {
        var word = (word ^ word >> 33) &* 0xff51_afd7_ed55_8ccd
        word = (word ^ word >> 33) &* 0xc4ce_b9fe_1a85_ec53
        return word ^ word >> 33
    }

    static func == (left: NameBytes, right: NameBytes) -> Bool {
        guard left.count == right.count else { return false }
        for index in 0..<left.wordCount where left.words[index] != right.words[index] {
            return false
        }
        return true
    }

    var string: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        for index in 0..<count {
            bytes.append(UInt8(truncatingIfNeeded: words[index / 8] >> UInt64(index % 8 * 8)))
        }
        return String(systemBytes: bytes)
    }
}

/// String fields at a multiple of 8.
extension Transaction {
    mutating func load(_ field: StoredString) throws(TransactionError) -> NameBytes {
        var name = NameBytes()
        try load(field, into: &name, from: 0)
        return name
    }

    /// Continues a name whose first words lie elsewhere.
    mutating func load(
        _ field: StoredString, into name: inout NameBytes, from first: Int
    ) throws(TransactionError) {
        for index in 0..<field.byteCount / 8 {
            let word = try load(field.address + 8 * index, as: UInt64.self)
            name.set(word, at: first + index)
            // A zero top byte ends the name.
            if word >> 56 == 0 { return }
        }
    }

    /// Stores words `first...` of a name, NUL padded.
    mutating func store(
        _ name: NameBytes, at field: StoredString, from first: Int = 0
    ) throws(TransactionError) {
        for index in 0..<field.byteCount / 8 {
            try store(name.words[first + index], at: field.address + 8 * index)
        }
    }
}
