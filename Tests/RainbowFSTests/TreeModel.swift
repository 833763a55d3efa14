import TestSupport
import Testing

@testable import RainbowFS

/// What the tree should hold in one view, as plain values.
struct TreeModel: Equatable {
    struct Object: Equatable {
        var allocator: String
        var balance: Int64 = 0
        var level: UInt8 = 0
        var samples: [Int16] = [0, 0, 0, 0]
        var label: [UInt8] = []
        var heir: String?
        var history: [String?] = [nil, nil, nil]
    }

    var allocators: Set<String> = ["bank"]
    /// By canonical address.
    var objects: [String: Object] = [:]
    var names: [String: String] = [:]
}

/// What an operation gave, from the tree or from the model.
struct ModelOutcome: Equatable {
    var errno: Int32 = 0
    /// What was read or made.
    var output = ""
}

/// Something to do, by paths to the tree and in values to the model.
struct ModelPlan {
    var name: String
    /// Does it below a root, which ends with a slash or is empty, and gives what was read or made.
    var operation: (_ tree: TreeFixture, _ root: String) throws -> String
    /// Does it to the model.
    /// - Parameter made: what the tree made, for what is the tree's choice.
    var change: (_ model: inout TreeModel, _ made: String) -> ModelOutcome

    /// Does it to the tree.
    func outcome(_ tree: TreeFixture, _ root: String) throws -> ModelOutcome {
        do {
            return ModelOutcome(output: try operation(tree, root))
        } catch let error as TreeError {
            #expect(error.message.hasSuffix("."), "\(name): \(error.message)")
            return ModelOutcome(errno: error.errno)
        }
    }
}

/// Everything that can be seen of the tree in a view, against the model.
extension TreeFixture {
    func expect(_ model: TreeModel, below root: String, _ place: String) throws {
        let region = try Set(list("\(root)regions/transactional"))
        #expect(region == model.allocators.union(["status", "system"]), "\(place)")
        for allocator in model.allocators {
            let own = model.objects.filter { $0.value.allocator == allocator }.keys
            let expected = Set(own.map { $0 + ".Account" } + ["allocator"])
            let listed = try Set(list("\(root)regions/transactional/\(allocator)"))
            #expect(listed == expected, "\(place)")
        }
        #expect(try Set(list("\(root)names")) == Set(model.names.keys), "\(place)")
        for (name, target) in model.names {
            #expect(try readLink("\(root)names/\(name)") == "../objects/" + target, "\(place)")
        }
        for (address, object) in model.objects {
            let seen = try modelObject("\(root)objects/\(address)/", object.allocator)
            #expect(seen == object, "\(place)")
        }
    }

    /// The object whose directory is at a path, which ends with a slash.
    func modelObject(_ path: String, _ allocator: String) throws -> TreeModel.Object {
        var seen = TreeModel.Object(allocator: allocator)
        seen.balance = Int64(try read(path + "balance").dropLast()) ?? 0
        seen.level = UInt8(try read(path + "level").dropLast()) ?? 0
        seen.samples = try read(path + "samples").split(separator: "\n").compactMap { Int16($0) }
        seen.label = try bytes(path + "label").dropLast()
        func target(_ name: String) throws -> String? {
            let text = try readLink(path + name)
            return text == "null" ? nil : String(text.drop { $0 == "." || $0 == "/" })
        }
        seen.heir = try target("heir")
        seen.history = try (0..<3).map { try target("history/\($0)") }
        return seen
    }
}
