/// Objects that one transaction made, one behind the other.
public struct ObjectRun: Hashable, Sendable {
    public let first: Address
    public let count: Int
    /// Bytes from one to the next.
    public let stride: Int

    /// Address of the object at `index`.
    public subscript(index: Int) -> Address { first + index * stride }
}

extension Space {
    /// Makes any number of objects, in as many transactions as that takes.
    ///
    /// If an error ends it, what earlier transactions made stays.
    /// - Parameters:
    ///   - values: what fields begin with, as text (see `FieldText`); references are `null`, an
    ///     address, or what `resolve` understands.
    ///   - resolve: gives the address for the text of a reference.
    ///   - each: is told of the objects of each transaction, after its commit.
    public func newObjects(
        of className: String, in allocator: Address, count: Int,
        values: [(field: String, text: String)] = [],
        resolve: (String) throws -> Address, each: (ObjectRun) throws -> Void
    ) throws {
        guard count > 0 else { throw ObjectError(.invalid, "The number of objects is 1 or more.") }
        var rest = count
        while rest > 0 {
            let run = try transact { tx in
                let descriptor = try tx.classDescriptor(named: className)
                let initial = try tx.initialValues(values, of: descriptor, resolve)
                let step = min(rest, Space.stepMax(descriptor, hasValues: !initial.isEmpty))
                let first = try tx.newObjects(of: descriptor, in: allocator, count: step)
                let run = ObjectRun(first: first, count: step, stride: descriptor.stride)
                if !initial.isEmpty {
                    for index in 0..<step { try tx.setInitial(initial, of: run[index]) }
                }
                return run
            }
            rest -= run.count
            try each(run)
        }
    }

    /// Objects of one transaction: a quarter of what it can fill, so that it holds its locks
    /// briefly; far fewer if each is written to, which takes room in the log.
    private static func stepMax(_ descriptor: ClassDescriptor, hasValues: Bool) -> Int {
        let bytes = hasValues ? ObjectLimits.objectBytes / 16 : ObjectLimits.objectBytes / 4
        return max(1, bytes / descriptor.stride)
    }
}

extension Transaction {
    fileprivate mutating func initialValues(
        _ values: [(field: String, text: String)], of descriptor: ClassDescriptor,
        _ resolve: (String) throws -> Address
    ) throws -> [InitialValue] {
        var initial: [InitialValue] = []
        for (name, text) in values {
            guard let field = descriptor.field(named: name) else {
                throw ObjectError(
                    .invalid, "The class \(descriptor.name) has no field \(name).")
            }
            guard field.isReference else {
                initial.append(try InitialValue(field, text: text))
                continue
            }
            let target: Address
            if text == "null" || text.isEmpty {
                target = .null
            } else if let address = Address(text: text) {
                target = address
            } else {
                target = try resolve(text)
            }
            initial.append(InitialValue(field, reference: target))
        }
        return initial
    }
}
