/// An entry of the name service.
public struct NameInfo: Hashable, Sendable {
    /// Where the entry comes in the listing: ascending, at least 16, below 2^60, and the same for
    /// as long as the name is bound.
    public let key: UInt64
    public let name: String
    /// The object that the name is bound to.
    public let target: Address
    /// The `Name` object; its version tells when the binding changed last.
    public let address: Address
}

/// The name service: names of objects, each a `Name` object in one table of the space.
extension Transaction {
    /// Gives an object a name.
    /// - Throws: `.exists` if the name is bound, `.invalid` if there is no object at `target` or
    ///   the name is none, `.nameTooLong`.
    public mutating func bind(_ name: String, to target: Address) throws {
        let key = try nameKey(name)
        let root = try namesRoot()
        try checkTarget(target)
        guard try tableEntry(key, in: root) == nil else {
            throw ObjectError(.exists, "The name \(name) is taken; remove it first.")
        }
        try addName(key, target, in: root)
    }

    /// Gives an object a name, whatever the name was bound to before.
    public mutating func rebind(_ name: String, to target: Address) throws {
        let key = try nameKey(name)
        let root = try namesRoot()
        try checkTarget(target)
        if let entry = try tableEntry(key, in: root) {
            try setLink(entry, SystemLayout.Name.target, to: target)
        } else {
            try addName(key, target, in: root)
        }
    }

    /// Takes a name away from its object.
    public mutating func unbind(_ name: String) throws {
        let root = try namesRoot()
        guard let entry = try removeTableEntry(try nameKey(name), in: root) else {
            throw noName(name)
        }
        try freeName(entry)
    }

    /// Moves a binding to another name in one step.
    /// - Parameter replace: whether a binding of the new name may be replaced.
    public mutating func rename(_ from: String, to: String, replace: Bool = true) throws {
        let oldKey = try nameKey(from)
        let newKey = try nameKey(to)
        let root = try namesRoot()
        guard let entry = try tableEntry(oldKey, in: root) else { throw noName(from) }
        if oldKey.matches(newKey) { return }
        let target = try link(entry, SystemLayout.Name.target)
        if let replaced = try tableEntry(newKey, in: root) {
            guard replace else {
                throw ObjectError(.exists, "The name \(to) is taken; remove it first.")
            }
            try setLink(replaced, SystemLayout.Name.target, to: target)
        } else {
            try addName(newKey, target, in: root)
        }
        try unbind(from)
    }

    /// The object that a name is bound to, or nil.
    public mutating func target(ofName name: String) throws -> Address? {
        guard let entry = try nameObject(name) else { return nil }
        return try link(entry, SystemLayout.Name.target)
    }

    /// The `Name` object of a bound name, or nil.
    public mutating func nameObject(_ name: String) throws -> Address? {
        try tableEntry(try nameKey(name), in: try namesRoot())
    }

    /// Up to `limit` bound names behind `key`, in the order of their keys. Names that share a key,
    /// which is very rare, stay together, so there can be a few more.
    public mutating func names(after key: UInt64, limit: Int) throws -> [NameInfo] {
        let root = try namesRoot()
        var infos: [NameInfo] = []
        for entry in try tableEntries(.names, in: root, after: key, limit: limit) {
            let key = try tableKey(of: entry, .names)
            infos.append(
                NameInfo(
                    key: key.number, name: key.name.string,
                    target: try link(entry, SystemLayout.Name.target), address: entry))
        }
        try checkOrder(infos.map(\.key), after: key, in: root)
        return infos
    }

    private mutating func namesRoot() throws -> Address {
        try fixedLink(SystemLayout.System.names)
    }

    private func nameKey(_ name: String) throws(ObjectError) -> TableKey {
        TableKey(
            .names,
            name: try NameBytes(name, limit: ObjectLimits.boundNameBytes, what: "binding"))
    }

    private func noName(_ name: String) -> ObjectError {
        ObjectError(.notFound, "Nothing is bound to the name \(name).")
    }

    private mutating func checkTarget(_ target: Address) throws {
        guard try isObject(target) else {
            throw ObjectError(.invalid, "A name must lead to an object; none is at \(target).")
        }
    }

    private mutating func addName(
        _ key: TableKey, _ target: Address, in root: Address
    ) throws {
        let entry = try newSystemObject(.name)
        let ownBytes = SystemLayout.Name.nameBytes
        try storeName(key.name, at: entry + SystemLayout.Name.name, byteCount: ownBytes)
        try setLink(entry, SystemLayout.Name.target, to: target)
        if key.name.count > ownBytes {
            let more = try newSystemObject(.text)
            try storeName(
                key.name, at: more + SystemLayout.Text.text,
                byteCount: NameBytes.capacity - ownBytes, from: ownBytes / 8)
            try setLink(entry, SystemLayout.Name.more, to: more)
        }
        try insertTableEntry(entry, key, in: root)
    }

    private mutating func freeName(_ entry: Address) throws {
        let more = try link(entry, SystemLayout.Name.more)
        if more != .null { try freeSystemObject(more, .text) }
        try freeSystemObject(entry, .name)
    }
}

/// A name of up to 256 bytes as the words that it is stored in, NUL padded; no heap memory.
struct NameBytes: Sendable {
    static let capacity = 256
    private(set) var words = InlineArray<32, UInt64>(repeating: 0)
    private(set) var count = 0

    init() {}

    /// - Throws: `.invalid` for a name that no directory entry can have, `.nameTooLong`.
    init(_ name: String, limit: Int, what: String) throws(ObjectError) {
        let article = what.hasPrefix("a") ? "an" : "a"
        guard name.systemByteCount <= limit else {
            throw ObjectError(
                .nameTooLong, "The name of \(article) \(what) has at most \(limit) bytes.")
        }
        var isPlain = true
        name.forEachSystemByte { byte in
            isPlain = isPlain && byte != 0 && byte != UInt8(ascii: "/")
            append(byte)
        }
        let isDots = words[0] == 0x2e && count == 1 || words[0] == 0x2e2e && count == 2
        guard isPlain, count > 0, !isDots else {
            throw ObjectError(
                .invalid,
                "The name of \(article) \(what) has no / and no NUL, and is not empty, . or ..")
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

extension Transaction {
    /// The string field at an aligned place.
    mutating func loadName(_ place: Address, byteCount: Int) throws(TransactionError) -> NameBytes {
        var name = NameBytes()
        try loadName(place, byteCount: byteCount, into: &name, from: 0)
        return name
    }

    /// Continues a name whose first `byteCount` bytes lie elsewhere.
    mutating func loadName(
        _ place: Address, byteCount: Int, into name: inout NameBytes, from first: Int
    ) throws(TransactionError) {
        for index in 0..<byteCount / 8 {
            let word = try load(place + 8 * index, as: UInt64.self)
            name.set(word, at: first + index)
            // A zero top byte ends the name.
            if word >> 56 == 0 { return }
        }
    }

    /// Stores words `first...` of a name into a string field at an aligned place, NUL padded.
    mutating func storeName(
        _ name: NameBytes, at place: Address, byteCount: Int, from first: Int = 0
    ) throws(TransactionError) {
        for index in 0..<byteCount / 8 {
            try store(name.words[first + index], at: place + 8 * index)
        }
    }
}

extension Transaction {
    /// The binding that a `Name` object stands for.
    /// - Throws: `.notFound` if the object is none, or none any more.
    public mutating func nameInfo(at address: Address) throws -> NameInfo {
        guard try isObject(address), try load(address, as: UInt64.self) == BuiltInClass.name.header
        else { throw ObjectError(.notFound, "There is no name at \(address) any more.") }
        let key = try tableKey(of: address, .names)
        return NameInfo(
            key: key.number, name: key.name.string,
            target: try link(address, SystemLayout.Name.target), address: address)
    }
}
