import TestSupport
import Testing

@testable import RainbowCore

@Suite("The object layer against a plain model")
struct ObjectModelTests {
    @Test("Random steps do what they do to dictionaries", arguments: 0..<3)
    func model(run: Int) throws {
        var random = SeededGenerator(seed: printedSeed("object model \(run)"))
        try withObjectSpace { space in
            var model = ObjectModel()
            for step in 0..<600 {
                let seed = random.next()
                try space.run { tx throws in
                    var attempt = model
                    var random = SeededGenerator(seed: seed)
                    try attempt.step(&tx, &random)
                    model = attempt
                }
                if step % 200 == 199 { #expect(try problems(of: space) == []) }
            }
            try model.compare(with: space)
        }
    }
}

/// Classes, allocators, objects and names as Swift would have them.
struct ObjectModel {
    struct Object {
        var className: String
        var value: Int64 = 0
        var next: Address = .null
    }

    var classes: [String: String] = [:]
    var allocators: [String: (address: Address, objects: [Address])] = [:]
    var objects: [Address: Object] = [:]
    var names: [String: Address] = [:]

    mutating func step(_ tx: inout Transaction, _ random: inout SeededGenerator) throws {
        let name = "x\(Int.random(in: 0..<30, using: &random))"
        let object = objects.keys.sorted().randomElement(using: &random)
        switch Int.random(in: 0..<20, using: &random) {
        case 0: try defineClass(&tx, name, &random)
        case 1:
            let isUsed = objects.values.contains { $0.className == name }
            try attempt(classes[name] != nil && !isUsed, &tx) { try $0.removeClass(name: name) }
            if !isUsed { classes[name] = nil }
        case 2:
            try attempt(allocators[name] == nil, &tx) { _ = try $0.makeAllocator(name) }
            if allocators[name] == nil {
                let info = try tx.allocator(named: name, in: tx.main())
                allocators[name] = (info.address, [])
            }
        case 3:
            let isEmpty = allocators[name]?.objects.isEmpty ?? false
            try attempt(isEmpty, &tx) { try $0.removeAllocator(name: name, in: $0.main()) }
            if isEmpty { allocators[name] = nil }
        case 4..<10: try makeObjects(&tx, &random)
        case 10..<13:
            guard let object else { return }
            try attempt(names[name] == nil, &tx) { try $0.bind(name, to: object) }
            names[name] = names[name] ?? object
        case 13:
            try attempt(names[name] != nil, &tx) { try $0.unbind(name) }
            names[name] = nil
        case 14:
            let other = "x\(Int.random(in: 0..<30, using: &random))"
            try attempt(names[name] != nil, &tx) { try $0.rename(name, to: other) }
            if let target = names.removeValue(forKey: name) { names[other] = target }
        default:
            guard let object else { return }
            try writeObject(&tx, object, &random)
        }
    }

    private mutating func defineClass(
        _ tx: inout Transaction, _ name: String, _ random: inout SeededGenerator
    ) throws {
        let filler = Int.random(in: 1..<40, using: &random)
        let alignment = Bool.random(using: &random) ? "align 64\n" : ""
        let text = alignment + "int64 value\nref<Object> next\nbytes filler[\(filler)]\n"
        let isUsed = objects.values.contains { $0.className == name }
        let isSame = classes[name] == text
        try attempt(!isUsed || isSame, &tx) { _ = try $0.defineClass(name: name, text: text) }
        if !isUsed { classes[name] = text }
    }

    private mutating func makeObjects(
        _ tx: inout Transaction, _ random: inout SeededGenerator
    ) throws {
        guard let className = classes.keys.sorted().randomElement(using: &random),
            let place = allocators.keys.sorted().randomElement(using: &random)
        else { return }
        let count = Int.random(in: 1...12, using: &random)
        let descriptor = try tx.classDescriptor(named: className)
        let allocator = allocators[place]!.address
        let first = try tx.newObjects(of: descriptor, in: allocator, count: count)
        for index in 0..<count {
            let object = first + index * descriptor.stride
            objects[object] = Object(className: className)
            allocators[place]!.objects.append(object)
        }
    }

    private mutating func writeObject(
        _ tx: inout Transaction, _ object: Address, _ random: inout SeededGenerator
    ) throws {
        let descriptor = try tx.descriptor(of: object)
        let value = Int64.random(in: .min ... .max, using: &random)
        let target = objects.keys.sorted().randomElement(using: &random)!
        try tx.setValues([value], of: object, descriptor.field(named: "value")!)
        try tx.setReference(object, descriptor.field(named: "next")!, to: target)
        objects[object]!.value = value
        objects[object]!.next = target
    }

    /// Runs an operation that must succeed or be refused, as the model says.
    private func attempt(
        _ isExpected: Bool, _ tx: inout Transaction,
        _ operation: (inout Transaction) throws -> Void
    ) throws {
        do {
            try operation(&tx)
            #expect(isExpected)
        } catch let error as ObjectError {
            #expect(!isExpected, "\(error)")
        }
    }

    func compare(with space: Space) throws {
        try space.run { tx throws in
            let bound = try tx.names(after: 0, limit: 1000)
            #expect(Dictionary(uniqueKeysWithValues: bound.map { ($0.name, $0.target) }) == names)
            let defined = try tx.classes(after: 0, limit: 1000)
                .filter { !$0.descriptor.isSystem }.map { ($0.descriptor.name, $0.descriptor.text) }
            #expect(Dictionary(uniqueKeysWithValues: defined) == classes)
            for (address, object) in objects {
                let descriptor = try tx.descriptor(of: address)
                #expect(descriptor.name == object.className)
                let value: [Int64] = try tx.values(of: address, descriptor.field(named: "value")!)
                #expect(value == [object.value])
                #expect(
                    try tx.reference(address, descriptor.field(named: "next")!) == object.next)
            }
        }
        for allocator in allocators.values {
            #expect(try addresses(in: allocator.address, of: space) == allocator.objects)
        }
    }
}
