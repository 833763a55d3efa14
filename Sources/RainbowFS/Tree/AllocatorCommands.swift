import Core
import Glibc

/// Objects that one command made, at equal distances.
struct NewObjects: Equatable, Sendable {
    var first: Address
    var count: Int
    var stride: Int
}

/// The commands of an allocator's file.
///
///     new CLASS [*COUNT] FIELD=VALUE ...
///     capacity SIZE
struct AllocatorCommands: CommandInterpreter {
    let tree: Tree
    let allocator: Address
    /// Who opened the file.
    let caller: Caller

    /// Bytes of new objects that one transaction takes.
    private static let bytesMax = 1 << 20
    /// Objects with values that one transaction takes: each needs room in the log.
    private static let valuesMax = 1024

    func execute(_ commands: [Command]) throws -> CommandAnswer {
        for command in commands where command.name == "new" {
            if let name = command.arguments.first { tree.pendingClasses.settle(name) }
        }
        if commands.count == 1, commands[0].name == "new" {
            let request = try NewRequest(commands[0])
            if request.count > 1 { return .objects(try makeInParts(request)) }
        }
        let made = try tree.transact { tx in
            var made: [NewObjects] = []
            for command in commands {
                switch command.name {
                case "new": made.append(try make(NewRequest(command), &tx))
                case "capacity": try setCapacity(command, &tx)
                default: throw AllocatorCommands.unknown(command)
                }
            }
            return made
        }
        return .objects(AllocatorCommands.joined(made))
    }

    private static func unknown(_ command: Command) -> TreeError {
        TreeError(
            EINVAL,
            "An allocator does not know the command \(TreeError.quoted(command.name)). Write"
                + " \"new CLASS [*COUNT] FIELD=VALUE ...\" or \"capacity SIZE\".")
    }

    private func setCapacity(_ command: Command, _ tx: inout Transaction) throws {
        guard command.words.count == 2 else {
            throw TreeError(EINVAL, "Write \"capacity SIZE\", with a size like 64M or 1G.")
        }
        _ = try tx.setCapacity(of: allocator, to: CommandText.bytes(command.words[1]))
    }

    /// `new CLASS [*COUNT] FIELD=VALUE ...`
    private struct NewRequest {
        var className: String
        var count = 1
        var values: [String]

        init(_ command: Command) throws(TreeError) {
            guard command.words.count > 1 else {
                throw TreeError(
                    EINVAL, "Write \"new CLASS [*COUNT] FIELD=VALUE ...\"; the class is missing.")
            }
            className = command.words[1]
            values = Array(command.words[2...])
            guard let count = values.first, count.hasPrefix("*") else { return }
            guard let number = Int(count.dropFirst()), (1...1 << 32).contains(number) else {
                throw TreeError(
                    EINVAL, "\(TreeError.quoted(count)) is no count. Write it like *1000.")
            }
            self.count = number
            values.removeFirst()
        }
    }

    private func descriptor(_ name: String, _ tx: inout Transaction) throws -> ClassDescriptor {
        guard let descriptor = try optional({ try tx.classDescriptor(named: name) }) else {
            throw TreeError(
                EINVAL,
                "There is no class \(TreeError.quoted(name)). Write its fields to classes/NAME"
                    + " first.")
        }
        return descriptor
    }

    private func make(_ request: NewRequest, _ tx: inout Transaction) throws -> NewObjects {
        let descriptor = try descriptor(request.className, &tx)
        let values = try request.values.map { word in
            try FieldAssignment(word, of: descriptor, tree, caller, &tx)
        }
        if case .transaction(let transaction) = tree.moment { transaction.noteNewObjects() }
        let first = try tx.newObjects(of: descriptor, in: allocator, count: request.count)
        if !values.isEmpty {
            for index in 0..<request.count {
                let object = first + index * descriptor.stride
                for value in values { try value.apply(to: object, &tx) }
            }
        }
        return NewObjects(first: first, count: request.count, stride: descriptor.stride)
    }

    /// Makes as many objects at a time as one transaction takes, after looking whether there is
    /// room for all of them.
    private func makeInParts(_ request: NewRequest) throws -> [NewObjects] {
        let stride = try tree.transact { tx in
            let descriptor = try descriptor(request.className, &tx)
            let room = try tx.allocator(at: allocator).free
            guard UInt64(descriptor.stride) * UInt64(request.count) <= room else {
                throw TreeError(
                    ENOSPC,
                    "The allocator has \(room) bytes left; \(request.count) objects of"
                        + " \(request.className) need \(descriptor.stride * request.count). Write"
                        + " \"capacity SIZE\" to its file first.")
            }
            return descriptor.stride
        }
        let room = max(1, AllocatorCommands.bytesMax / stride)
        let size = request.values.isEmpty ? room : min(room, AllocatorCommands.valuesMax)
        guard tree.moment.isTransaction else { return try makeOneByOne(request, partsOf: size) }
        // There a failure leaves nothing of the parts before.
        return try tree.transact { tx in
            var made: [NewObjects] = []
            try forEachPart(of: request, size) { part in made.append(try make(part, &tx)) }
            return AllocatorCommands.joined(made)
        }
    }

    /// Makes each part in a transaction of its own.
    private func makeOneByOne(_ request: NewRequest, partsOf size: Int) throws -> [NewObjects] {
        var made: [NewObjects] = []
        do {
            try forEachPart(of: request, size) { part in
                made.append(try tree.transact { tx in try make(part, &tx) })
            }
        } catch let error as TreeError where !made.isEmpty {
            let count = made.reduce(0) { $0 + $1.count }
            throw TreeError(error.errno, error.message + " \(count) objects were made.")
        }
        return AllocatorCommands.joined(made)
    }

    private func forEachPart(
        of request: NewRequest, _ size: Int, _ body: (NewRequest) throws -> Void
    ) throws {
        var part = request
        var left = request.count
        while left > 0 {
            part.count = min(left, size)
            try body(part)
            left -= part.count
        }
    }

    /// Runs that follow each other at the same distance, as one.
    private static func joined(_ runs: [NewObjects]) -> [NewObjects] {
        var joined: [NewObjects] = []
        for run in runs {
            if var last = joined.last, last.stride == run.stride,
                last.first + last.count * last.stride == run.first
            {
                last.count += run.count
                joined[joined.count - 1] = last
            } else {
                joined.append(run)
            }
        }
        return joined
    }
}
