import Foundation
import TestSupport
import Testing

@testable import RainbowCore

@Suite("The built-in classes")
struct BuiltInClassTests {
    @Test("BuiltInFields.swift is what the class texts give")
    func fields() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../Sources/Core/Objects/Schema/BuiltInFields.swift")
        let made = madeFile()
        if ProcessInfo.processInfo.environment["RAINBOWFS_GENERATE"] == "1" {
            try made.write(to: file, atomically: true, encoding: .utf8)
        }
        #expect(try String(contentsOf: file, encoding: .utf8) == made)
    }

    @Test("What the code takes for granted of the class texts is so")
    func assumptions() throws {
        let owned: [(BuiltInClass, prefix: String)] = [
            (.system, ""), (.system, "names"), (.system, "classes"), (.region, ""),
            (.allocator, ""),
        ]
        for (builtIn, prefix) in owned {
            let offsets = ["owner", "group", "mode"].map { word in
                let name = prefix.isEmpty ? word : prefix + word.capitalized
                return builtIn.descriptor.field(named: name)?.offset ?? 0
            }
            #expect(offsets == [0, 4, 8].map { offsets[0] + $0 }, "\(builtIn) \(prefix)")
        }
        #expect(SystemObject.root.freed.count == BuiltInClass.allCases.count)
        let (name, text) = (NameObject.null.name, TextObject.null.text)
        #expect(name.byteCount + text.byteCount == NameBytes.capacity)
        for string in [
            name, text, ClassObject.null.name, FieldObject.null.name, RegionObject.null.name,
            AllocatorObject.null.name,
        ] { #expect(string.address.rawValue % 8 == 0 && string.byteCount % 8 == 0) }
    }

    @Test("The first objects do not overlap, and hot words have lines of their own")
    func places() {
        let system = BuiltInClass.system.descriptor
        #expect(system.start(of: SystemArea.root).rawValue == SystemLayout.systemBase)
        #expect(system.size <= 256)
        #expect(SystemObject.root.freed[0].address.rawValue % 64 == 0)
        let classes = BuiltInClass.class.descriptor
        #expect(classes.size <= 128)
        #expect(classes.start(of: BuiltInClass.system.address).rawValue % 64 == 0)
        let allocator = BuiltInClass.allocator.descriptor
        #expect(allocator.start(of: SystemArea.allocator).rawValue % 64 == 0)
        #expect(AllocatorObject.system.top.address.rawValue % 64 == 0)
        #expect(BuiltInClass.name.descriptor.size == 64)
        #expect(BuiltInClass.backpack.descriptor.size <= 512)
    }

    @Test("A fresh space has them all, and attaching again changes nothing")
    func bootstrap() throws {
        try withObjectSpace { space in
            let before = space.usage.version
            try SystemArea.bootstrap(space)
            #expect(space.usage.version == before)
            try space.run { tx throws in
                let classes = try tx.classes(after: 0, limit: 100)
                #expect(
                    Set(classes.map(\.descriptor.name)) == Set(BuiltInClass.allCases.map(\.name)))
                #expect(try tx.regions(after: 0, limit: 9).map(\.name) == ["transactional"])
                for builtIn in BuiltInClass.allCases {
                    let address = try tx.classDescriptor(named: builtIn.name).address
                    #expect(address == builtIn.address)
                    #expect(try tx.descriptor(of: address).name == "Class")
                }
            }
        }
    }

    @Test("Of many who attach at once, one makes the first objects")
    func race() throws {
        for _ in 0..<20 {
            try withTestSpace("objects") { space in
                onThreads(4) { _ in
                    do {
                        try SystemArea.bootstrap(space)
                    } catch {
                        Issue.record(error)
                    }
                }
                #expect(try problems(of: space) == [])
                let count = try space.run { tx throws in
                    try tx.objectCount(in: SystemArea.allocator)
                }
                try withObjectSpace { other in
                    let otherCount = try other.run { tx throws in
                        try tx.objectCount(in: SystemArea.allocator)
                    }
                    #expect(count == otherCount)
                }
            }
        }
    }

    // MARK: The source that the class texts give

    private func madeFile() -> String {
        let header = """
            /// The types of the built-in objects. `BuiltInClassTests` makes this file from the
            /// texts in `BuiltInClass` and compares it with them; with RAINBOWFS_GENERATE=1 in its
            /// environment it writes the file again.

            """
        return BuiltInClass.allCases.reduce(into: header) { $0 += "\n" + madeType($1) }
    }

    private func madeType(_ builtIn: BuiltInClass) -> String {
        let fields = builtIn.descriptor.fields.compactMap(madeProperty)
        return """
            struct \(typeName(builtIn.name)): BuiltInObject {
                static var builtIn: BuiltInClass { .\(builtIn) }
                let address: Address
                init(_ address: Address) { self.address = address }

            \(fields.joined(separator: "\n"))
            }

            """
    }

    /// The property for a field; nil for one that is only room.
    private func madeProperty(_ field: FieldDescriptor) -> String? {
        if field.type == .bytes { return nil }
        let place = "address \(field.offset < 0 ? "-" : "+") \(abs(field.offset))"
        let (type, arguments): (String, String)
        if field.type == .string {
            (type, arguments) = ("StoredString", "\(place), byteCount: \(field.byteCount)")
        } else if let count = field.arrayCount {
            let stride = field.offset(ofElement: 1) - field.offset
            type = "TypedArray"
            arguments = "\(place), stride: \(stride), count: \(count)"
        } else {
            (type, arguments) = ("TypedAddress", place)
        }
        let value = field.type == .string ? "" : "<\(valueName(field))>"
        return "    var \(field.name): \(type)\(value) { \(type)(\(arguments)) }"
    }

    private func valueName(_ field: FieldDescriptor) -> String {
        if field.isReference { return typeName(field.targetName) }
        let name = field.type.name.replacing("uint", with: "UInt")
        return name.prefix(1).uppercased() + name.dropFirst()
    }

    private func typeName(_ className: String) -> String {
        switch className {
        case "Object": "Address"
        case "Table", "Backpack": className
        default: className + "Object"
        }
    }
}
