import Core
import Glibc
import TestSupport
import Testing

@testable import RainbowFS

/// The tree against a plain model of it, with random operations, right and wrong ones.
@Suite struct TreeModelTests {
    @Test(arguments: 0..<4)
    func randomOperationsDoWhatTheModelDoes(round: Int) throws {
        let seed = printedSeed("tree")
        var random = SeededGenerator(seed: seed)
        var run = try ModelRun()
        for step in 0..<600 {
            let operation = try run.step(&random)
            if step % 100 == 99 {
                try run.compareAll("seed \(seed) step \(step) after \(operation)")
            }
        }
        try run.bank.expectWhole()
    }
}

/// What the tree should hold, as plain values.
struct TreeModel {
    struct Object: Equatable {
        var allocator: String
        var balance: Int64 = 0
        var level: UInt8 = 0
        var samples: [Int16] = [0, 0, 0, 0]
        var label: [UInt8] = Array(repeating: 0, count: 8)
        var heir: String?
        var history: [String?] = [nil, nil, nil]
    }

    var allocators: Set<String> = ["bank"]
    /// By canonical address.
    var objects: [String: Object] = [:]
    var names: [String: String] = [:]
}

/// A tree and its model, side by side.
struct ModelRun {
    let bank: Bank
    var model = TreeModel()
    var fixture: TreeFixture { bank.fixture }

    init() throws {
        bank = try Bank()
    }

    /// Does one thing to both and compares the outcome.
    mutating func step(_ random: inout SeededGenerator) throws -> String {
        let (name, expected, operation) = plan(&random)
        var errno: Int32 = 0
        do {
            try operation(fixture)
        } catch let error as TreeError {
            errno = error.errno
            #expect(error.message.hasSuffix("."), "\(name): \(error.message)")
        }
        #expect(errno == expected, "\(name)")
        return name
    }

    typealias Plan = (name: String, errno: Int32, operation: (TreeFixture) throws -> Void)

    private mutating func plan(_ random: inout SeededGenerator) -> Plan {
        switch Int.random(in: 0..<12, using: &random) {
        case 0, 1: planNew(&random)
        case 2: planAllocator(&random)
        case 3, 4: planValue(&random)
        case 5: planSamples(&random)
        case 6: planLabel(&random)
        case 7, 8: planReference(&random)
        case 9: planBind(&random)
        case 10: planRename(&random)
        default: planRemove(&random)
        }
    }

    private func object(_ random: inout SeededGenerator) -> String? {
        model.objects.keys.sorted().randomElement(using: &random)
    }

    private let nothing: Plan = ("nothing", 0, { _ in })

    private mutating func planNew(_ random: inout SeededGenerator) -> Plan {
        let allocator = ["bank", "vault", "till"].randomElement(using: &random)!
        let path = "regions/transactional/\(allocator)/allocator"
        let command = "new Account balance=1"
        guard model.allocators.contains(allocator) else {
            return (command, ENOENT, { _ = try $0.command(command, to: path) })
        }
        // The address is the tree's choice, so the object is made while planning.
        let answer = try? fixture.command(command, to: path)
        let made = String((answer ?? "objects/none\n").dropFirst(8).dropLast())
        #expect(made.count == 18 && model.objects[made] == nil)
        model.objects[made] = TreeModel.Object(allocator: allocator, balance: 1)
        return (command, 0, { _ in })
    }

    private mutating func planAllocator(_ random: inout SeededGenerator) -> Plan {
        let name = ["bank", "vault", "till"].randomElement(using: &random)!
        let path = "regions/transactional/" + name
        let isThere = model.allocators.contains(name)
        if Bool.random(using: &random) {
            model.allocators.insert(name)
            return ("mkdir \(name)", isThere ? EEXIST : 0, { try $0.makeDirectory(path) })
        }
        let isEmpty = !model.objects.values.contains { $0.allocator == name }
        if isThere && isEmpty { model.allocators.remove(name) }
        let errno = isThere ? (isEmpty ? 0 : ENOTEMPTY) : ENOENT
        return ("rmdir \(name)", errno, { try $0.removeDirectory(path) })
    }

    private mutating func planValue(_ random: inout SeededGenerator) -> Plan {
        guard let object = object(&random) else { return nothing }
        if Bool.random(using: &random) {
            let value = Int64.random(in: .min ... .max, using: &random)
            model.objects[object]?.balance = value
            return (
                "balance \(value)", 0,
                { try $0.write("\(value)\n", to: "objects/\(object)/balance") }
            )
        }
        let value = Int.random(in: -100...400, using: &random)
        let isInRange = UInt8(exactly: value) != nil
        if isInRange { model.objects[object]?.level = UInt8(value) }
        return (
            "level \(value)", isInRange ? 0 : ERANGE,
            { try $0.write("\(value)", to: "objects/\(object)/level") }
        )
    }

    private mutating func planSamples(_ random: inout SeededGenerator) -> Plan {
        guard let object = object(&random) else { return nothing }
        let count = Int.random(in: 0...5, using: &random)
        let values = (0..<count).map { _ in Int16.random(in: .min ... .max, using: &random) }
        let isRight = (1...4).contains(count)
        if isRight {
            for (index, value) in values.enumerated() {
                model.objects[object]?.samples[index] = value
            }
        }
        let text = values.map(String.init).joined(separator: "\n")
        return (
            "samples \(values)", isRight ? 0 : EINVAL,
            { try $0.write(text, to: "objects/\(object)/samples") }
        )
    }

    private mutating func planLabel(_ random: inout SeededGenerator) -> Plan {
        guard let object = object(&random) else { return nothing }
        let length = Int.random(in: 0...10, using: &random)
        let bytes = (0..<length).map { _ in UInt8.random(in: 97...122, using: &random) }
        if Bool.random(using: &random) {
            let padded = bytes + Array(repeating: 0, count: max(0, 8 - length))
            if length <= 8 { model.objects[object]?.label = padded }
            let text = String(decoding: bytes, as: UTF8.self)
            return (
                "label \(text)", length <= 8 ? 0 : ERANGE,
                { try $0.write(text, to: "objects/\(object)/label") }
            )
        }
        let start = Int.random(in: 0...9, using: &random)
        let fits = start + length <= 8
        if fits {
            model.objects[object]?.label.replaceSubrange(start..<start + length, with: bytes)
        }
        let isNothing = length == 0
        return (
            "label at \(start) \(length) bytes", fits || isNothing ? 0 : EPERM,
            {
                guard !isNothing else { return }
                try $0.open("objects/\(object)/label", O_WRONLY).put(bytes, at: UInt64(start))
            }
        )
    }

    private mutating func planReference(_ random: inout SeededGenerator) -> Plan {
        guard let object = object(&random) else { return nothing }
        let index = Int.random(in: -1...3, using: &random)
        let name = index < 0 ? "heir" : "history/\(index)"
        let path = "objects/\(object)/\(name)"
        let up = index < 0 ? "../" : "../../"
        func set(_ model: inout TreeModel, _ target: String?) {
            if index < 0 { model.objects[object]?.heir = target }
            if (0...2).contains(index) { model.objects[object]?.history[index] = target }
        }
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            set(&model, nil)
            return ("rm \(name)", index > 2 ? ENOENT : 0, { try $0.remove(path) })
        case 1:
            return (
                "ln -sfn nonsense \(name)", index > 2 ? EINVAL : EINVAL,
                { try $0.replaceLink(up + "nobody", path) }
            )
        default:
            guard let target = self.object(&random) else { return nothing }
            set(&model, target)
            return (
                "ln -sfn \(target) \(name)", index > 2 ? EPERM : 0,
                { try $0.replaceLink(up + target, path) }
            )
        }
    }

    private static let names = ["a", "b", "c", "d", "e", "f"]

    private mutating func planBind(_ random: inout SeededGenerator) -> Plan {
        guard let object = object(&random) else { return nothing }
        let name = ModelRun.names.randomElement(using: &random)!
        if Bool.random(using: &random) {
            model.names[name] = object
            return (
                "ln -sfn \(name)", 0,
                { try $0.replaceLink("../objects/\(object)", "names/\(name)") }
            )
        }
        let isThere = model.names[name] != nil
        if !isThere { model.names[name] = object }
        return (
            "ln -s \(name)", isThere ? EEXIST : 0,
            { try $0.link("../objects/\(object)", "names/\(name)") }
        )
    }

    private mutating func planRename(_ random: inout SeededGenerator) -> Plan {
        let from = ModelRun.names.randomElement(using: &random)!
        let to = ModelRun.names.randomElement(using: &random)!
        let flags = UInt32.random(in: 0...2, using: &random)
        let (source, target) = (model.names[from], model.names[to])
        var errno: Int32 = source == nil ? ENOENT : 0
        if errno == 0, flags == 1, target != nil { errno = EEXIST }
        if errno == 0, flags == 2, target == nil { errno = ENOENT }
        if errno == 0 {
            model.names[from] = flags == 2 ? target : nil
            model.names[to] = source
        }
        return (
            "mv \(from) \(to) flags \(flags)", errno,
            { try $0.move("names/\(from)", to: "names/\(to)", flags: flags) }
        )
    }

    private mutating func planRemove(_ random: inout SeededGenerator) -> Plan {
        let name = ModelRun.names.randomElement(using: &random)!
        let isThere = model.names.removeValue(forKey: name) != nil
        return ("rm \(name)", isThere ? 0 : ENOENT, { try $0.remove("names/\(name)") })
    }
}

/// Everything that can be seen of the tree, against the model.
extension ModelRun {
    func compareAll(_ place: String) throws {
        let region = try Set(fixture.list("regions/transactional"))
        #expect(region == model.allocators.union(["status", "system"]), "\(place)")
        for allocator in model.allocators {
            let own = model.objects.filter { $0.value.allocator == allocator }.keys
            let expected = Set(own.map { $0 + ".Account" } + ["allocator"])
            let listed = try Set(fixture.list("regions/transactional/\(allocator)"))
            #expect(listed == expected, "\(place)")
        }
        #expect(try Set(fixture.list("names")) == Set(model.names.keys), "\(place)")
        for (name, target) in model.names {
            #expect(try fixture.readLink("names/" + name) == "../objects/" + target, "\(place)")
        }
        for (address, object) in model.objects {
            try compare(address, object, place)
        }
    }

    private func compare(_ address: String, _ object: TreeModel.Object, _ place: String) throws {
        let path = "objects/\(address)/"
        var seen = TreeModel.Object(allocator: object.allocator)
        seen.balance = Int64(try fixture.read(path + "balance").dropLast()) ?? 0
        seen.level = UInt8(try fixture.read(path + "level").dropLast()) ?? 0
        seen.samples = try fixture.read(path + "samples").split(separator: "\n")
            .compactMap { Int16($0) }
        seen.label = try fixture.bytes(path + "label")
        func target(_ name: String) throws -> String? {
            let text = try fixture.readLink(path + name)
            return text == "null" ? nil : String(text.drop { $0 == "." || $0 == "/" })
        }
        seen.heir = try target("heir")
        seen.history = try (0..<3).map { try target("history/\($0)") }
        #expect(seen == object, "\(place)")
    }
}
