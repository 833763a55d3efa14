import RainbowCore
import Testing

@testable import RainbowFS

/// A tree with a class of every type of field and an allocator to make objects in.
struct Bank: Sendable {
    let fixture: TreeFixture
    var tree: Tree { fixture.tree }

    static let classText = """
        int64 balance
        ref<Account> heir
        ref<Object> history[3]
        uint8 level
        int16 samples[4]
        float64 rate
        bool open
        string label[8]
        bytes data[6]

        """
    static let allocator = "regions/transactional/bank"

    init(sizeBytesMax: UInt64? = nil) throws {
        fixture = try TreeFixture(sizeBytesMax: sizeBytesMax)
        try fixture.write(Bank.classText, to: "classes/Account")
        try fixture.makeDirectory(Bank.allocator)
    }

    /// Makes an object; its path.
    func new(_ values: String = "", class name: String = "Account") throws(TreeError) -> String {
        let answer = try fixture.command(
            "new \(name) \(values)\n", to: "\(Bank.allocator)/allocator")
        return String(answer.split(separator: "\n").last ?? "")
    }

    /// The address in `objects/0x...`.
    static func address(_ path: String) -> String {
        String(path.split(separator: "/")[1])
    }

    /// Checks all invariants of the space's objects.
    func expectWhole(sourceLocation: SourceLocation = #_sourceLocation) throws {
        var problems: [String] = []
        _ = try fixture.space.checkObjects { problems.append($0) }
        #expect(problems == [], sourceLocation: sourceLocation)
    }

    func raw(_ object: String, class name: String = "Account") -> String {
        "\(Bank.allocator)/\(Bank.address(object)).\(name)"
    }
}

/// Checks that the body fails with this errno and says why in whole sentences.
func expectError(
    _ errno: Int32, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("no error", sourceLocation: sourceLocation)
    } catch let error as TreeError {
        #expect(error.errno == errno, "\(error.message)", sourceLocation: sourceLocation)
        #expect(
            error.message.count > 10 && error.message.hasSuffix("."), "\(error.message)",
            sourceLocation: sourceLocation)
    } catch {
        Issue.record("\(error)", sourceLocation: sourceLocation)
    }
}
