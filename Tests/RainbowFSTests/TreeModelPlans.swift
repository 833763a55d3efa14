import Glibc
import TestSupport

@testable import RainbowFS

/// Random things to do, right and wrong ones, where the tree should hold what the model does.
struct TreeModelPlans {
    private static let allocators = ["bank", "vault", "till"]
    private static let names = ["a", "b", "c", "d", "e", "f"]

    let model: TreeModel
    var random: SeededGenerator

    mutating func next() -> ModelPlan {
        switch Int.random(in: 0..<14, using: &random) {
        case 0, 1: new()
        case 2: allocator()
        case 3, 4: value()
        case 5: samples()
        case 6: label()
        case 7, 8: reference()
        case 9: bind()
        case 10: rename()
        case 11: remove()
        default: look()
        }
    }

    private mutating func object() -> String? {
        model.objects.keys.sorted().randomElement(using: &random)
    }

    private static var nothing: ModelPlan {
        ModelPlan(name: "nothing") { _, _ in
            ""
        } change: { _, _ in
            ModelOutcome()
        }
    }

    private mutating func new() -> ModelPlan {
        let allocator = Self.allocators.randomElement(using: &random)!
        return ModelPlan(name: "new in \(allocator)") { tree, root in
            let path = "\(root)regions/transactional/\(allocator)/allocator"
            let answer = try tree.command("new Account balance=1", to: path)
            return String(answer.dropFirst("objects/".count).dropLast())
        } change: { model, made in
            guard model.allocators.contains(allocator) else { return ModelOutcome(errno: ENOENT) }
            let isNew = made.count == 18 && model.objects[made] == nil
            model.objects[made] = TreeModel.Object(allocator: allocator, balance: 1)
            return ModelOutcome(output: isNew ? made : "an address that is free, not \(made)")
        }
    }

    private mutating func allocator() -> ModelPlan {
        let name = Self.allocators.randomElement(using: &random)!
        let path = "regions/transactional/" + name
        if Bool.random(using: &random) {
            return ModelPlan(name: "mkdir \(name)") { tree, root in
                try tree.makeDirectory(root + path)
                return ""
            } change: { model, _ in
                ModelOutcome(errno: model.allocators.insert(name).inserted ? 0 : EEXIST)
            }
        }
        return ModelPlan(name: "rmdir \(name)") { tree, root in
            try tree.removeDirectory(root + path)
            return ""
        } change: { model, _ in
            guard model.allocators.contains(name) else { return ModelOutcome(errno: ENOENT) }
            let isEmpty = !model.objects.values.contains { $0.allocator == name }
            if isEmpty { model.allocators.remove(name) }
            return ModelOutcome(errno: isEmpty ? 0 : ENOTEMPTY)
        }
    }

    /// Writes to a field of an object, if it is there.
    private func write(
        _ text: String, to field: String, of object: String,
        _ change: @escaping (inout TreeModel.Object) -> Int32
    ) -> ModelPlan {
        ModelPlan(name: "\(field) of \(object): \(text)") { tree, root in
            try tree.write(text, to: "\(root)objects/\(object)/\(field)")
            return ""
        } change: { model, _ in
            guard var value = model.objects[object] else { return ModelOutcome(errno: ENOENT) }
            let errno = change(&value)
            if errno == 0 { model.objects[object] = value }
            return ModelOutcome(errno: errno)
        }
    }

    private mutating func value() -> ModelPlan {
        guard let object = object() else { return Self.nothing }
        if Bool.random(using: &random) {
            let value = Int64.random(in: .min ... .max, using: &random)
            return write("\(value)\n", to: "balance", of: object) {
                $0.balance = value
                return 0
            }
        }
        let value = Int.random(in: -100...400, using: &random)
        return write("\(value)", to: "level", of: object) {
            guard let level = UInt8(exactly: value) else { return ERANGE }
            $0.level = level
            return 0
        }
    }

    private mutating func samples() -> ModelPlan {
        guard let object = object() else { return Self.nothing }
        let count = Int.random(in: 0...5, using: &random)
        let values = (0..<count).map { _ in Int16.random(in: .min ... .max, using: &random) }
        let text = values.map(String.init).joined(separator: "\n")
        return write(text, to: "samples", of: object) {
            guard (1...4).contains(count) else { return EINVAL }
            $0.samples.replaceSubrange(0..<count, with: values)
            return 0
        }
    }

    private mutating func label() -> ModelPlan {
        guard let object = object() else { return Self.nothing }
        let length = Int.random(in: 1...10, using: &random)
        let bytes = (0..<length).map { _ in UInt8.random(in: 97...122, using: &random) }
        if Bool.random(using: &random) {
            return write(String(decoding: bytes, as: UTF8.self), to: "label", of: object) {
                guard length <= 8 else { return ERANGE }
                $0.label = bytes
                return 0
            }
        }
        let start = Int.random(in: 0...9, using: &random)
        var plan = write("\(bytes) at \(start)", to: "label", of: object) {
            guard start <= $0.label.count + 1 else { return EPERM }
            guard start + length <= 8 else { return ERANGE }
            // The line end that is shown after the text becomes a part of it.
            if start > $0.label.count { $0.label.append(10) }
            let end = min(start + length, $0.label.count)
            $0.label.replaceSubrange(start..<end, with: bytes)
            return 0
        }
        plan.operation = { tree, root in
            let file = try tree.open("\(root)objects/\(object)/label", O_WRONLY)
            defer { file.close() }
            try file.put(bytes, at: UInt64(start))
            return ""
        }
        return plan
    }

    private mutating func reference() -> ModelPlan {
        guard let object = object() else { return Self.nothing }
        let index = Int.random(in: -1...3, using: &random)
        let field = index < 0 ? "heir" : "history/\(index)"
        let path = "objects/\(object)/\(field)"
        let up = index < 0 ? "../" : "../../"
        func set(_ model: inout TreeModel, _ target: String?) {
            if index < 0 { model.objects[object]?.heir = target }
            if (0...2).contains(index) { model.objects[object]?.history[index] = target }
        }
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            return ModelPlan(name: "rm \(path)") { tree, root in
                try tree.remove(root + path)
                return ""
            } change: { model, _ in
                set(&model, nil)
                return ModelOutcome(errno: index > 2 ? ENOENT : 0)
            }
        case 1:
            return ModelPlan(name: "ln -sfn nonsense \(path)") { tree, root in
                try tree.replaceLink(up + "nobody", root + path)
                return ""
            } change: { _, _ in
                ModelOutcome(errno: EINVAL)
            }
        default:
            guard let target = self.object() else { return Self.nothing }
            return ModelPlan(name: "ln -sfn \(target) \(path)") { tree, root in
                try tree.replaceLink(up + target, root + path)
                return ""
            } change: { model, _ in
                set(&model, target)
                return ModelOutcome(errno: index > 2 ? EPERM : 0)
            }
        }
    }

    private mutating func bind() -> ModelPlan {
        guard let object = object() else { return Self.nothing }
        let name = Self.names.randomElement(using: &random)!
        let replaces = Bool.random(using: &random)
        return ModelPlan(name: "ln \(replaces ? "-sfn" : "-s") \(name)") { tree, root in
            let (target, path) = ("../objects/\(object)", "\(root)names/\(name)")
            if replaces { try tree.replaceLink(target, path) } else { try tree.link(target, path) }
            return ""
        } change: { model, _ in
            guard replaces || model.names[name] == nil else { return ModelOutcome(errno: EEXIST) }
            model.names[name] = object
            return ModelOutcome()
        }
    }

    private mutating func rename() -> ModelPlan {
        let from = Self.names.randomElement(using: &random)!
        let to = Self.names.randomElement(using: &random)!
        let flags = UInt32.random(in: 0...2, using: &random)
        return ModelPlan(name: "mv \(from) \(to) flags \(flags)") { tree, root in
            try tree.move("\(root)names/\(from)", to: "\(root)names/\(to)", flags: flags)
            return ""
        } change: { model, _ in
            let (source, target) = (model.names[from], model.names[to])
            if source == nil { return ModelOutcome(errno: ENOENT) }
            if flags == 1, target != nil { return ModelOutcome(errno: EEXIST) }
            if flags == 2, target == nil { return ModelOutcome(errno: ENOENT) }
            model.names[from] = flags == 2 ? target : nil
            model.names[to] = source
            return ModelOutcome()
        }
    }

    private mutating func remove() -> ModelPlan {
        let name = Self.names.randomElement(using: &random)!
        return ModelPlan(name: "rm \(name)") { tree, root in
            try tree.remove("\(root)names/\(name)")
            return ""
        } change: { model, _ in
            ModelOutcome(errno: model.names.removeValue(forKey: name) == nil ? ENOENT : 0)
        }
    }

    /// Reads an object, a name or a list.
    private mutating func look() -> ModelPlan {
        let name = Self.names.randomElement(using: &random)!
        switch (Int.random(in: 0..<4, using: &random), object()) {
        case (0, _):
            return ModelPlan(name: "ls names") { tree, root in
                try tree.list("\(root)names").sorted().joined(separator: " ")
            } change: { model, _ in
                ModelOutcome(output: model.names.keys.sorted().joined(separator: " "))
            }
        case (1, _), (_, nil):
            return ModelPlan(name: "readlink \(name)") { tree, root in
                try tree.readLink("\(root)names/\(name)")
            } change: { model, _ in
                guard let target = model.names[name] else { return ModelOutcome(errno: ENOENT) }
                return ModelOutcome(output: "../objects/\(target)")
            }
        case (_, let object?):
            let allocator = model.objects[object]?.allocator ?? ""
            return ModelPlan(name: "look at \(object)") { tree, root in
                "\(try tree.modelObject("\(root)objects/\(object)/", allocator))"
            } change: { model, _ in
                guard let value = model.objects[object] else { return ModelOutcome(errno: ENOENT) }
                return ModelOutcome(output: "\(value)")
            }
        }
    }
}
