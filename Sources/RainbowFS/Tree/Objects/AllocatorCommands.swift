import Glibc
import RainbowCore

/// Objects that one command made, at equal distances.
struct NewObjects: Equatable, Sendable {
    var first: Address
    var count: Int
    var stride: Int

    /// Address of the object at `index`.
    subscript(index: Int) -> Address { first + index * stride }
}

/// The commands of an allocator's file.
///
///     new CLASS [*COUNT] FIELD=VALUE ...
///     capacity SIZE
struct AllocatorCommands: CommandInterpreter {
    let view: View
    let allocator: Address
    /// Who opened the file.
    let caller: Caller

    /// Objects with values that one transaction takes: each needs room in the log.
    private static let valuesMax = 1024

    func execute(_ commands: [Command]) throws -> CommandAnswer {
        for command in commands where command.name == "new" {
            if let name = command.arguments.first { view.pendingClasses.settle(name) }
        }
        if commands.count == 1, commands[0].name == "new" {
            let request = try NewRequest(commands[0])
            if request.count > 1 { return .objects(try makeMany(request)) }
        }
        let made = try view.transact { tx in
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

    private func assignments(
        _ request: NewRequest, of descriptor: ClassDescriptor, _ tx: inout Transaction
    ) throws -> [FieldAssignment] {
        try request.values.map { word in
            try FieldAssignment(word, of: descriptor, view, caller, &tx)
        }
    }

    private func make(_ request: NewRequest, _ tx: inout Transaction) throws -> NewObjects {
        let descriptor = try descriptor(request.className, &tx)
        let values = try assignments(request, of: descriptor, &tx)
        if case .transaction(let transaction) = view.source { transaction.noteNewObjects() }
        let first = try tx.newObjects(of: descriptor, in: allocator, count: request.count)
        let made = NewObjects(first: first, count: request.count, stride: descriptor.stride)
        if !values.isEmpty {
            for index in 0..<request.count {
                for value in values { try value.apply(to: made[index], &tx) }
            }
        }
        return made
    }

    /// Makes any number of objects: in a transaction as many at a time as the log takes, in the
    /// present by a batch, so that they appear all at once or never.
    private func makeMany(_ request: NewRequest) throws -> [NewObjects] {
        let size = try partSize(request)
        if request.count > size, !view.source.isTransaction {
            return [try TreeError.translating { try makeBatch(request, partsOf: size) }]
        }
        return try view.transact { tx in
            var made: [NewObjects] = []
            var part = request
            for start in stride(from: 0, to: request.count, by: size) {
                part.count = min(size, request.count - start)
                made.append(try make(part, &tx))
            }
            return AllocatorCommands.joined(made)
        }
    }

    /// How many objects one transaction takes, after looking whether there is room for all.
    private func partSize(_ request: NewRequest) throws -> Int {
        let stride = try view.transact { tx in
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
        let size = max(1, ObjectBatch.partBytesMax / stride)
        return request.values.isEmpty ? size : min(size, AllocatorCommands.valuesMax)
    }

    private func makeBatch(_ request: NewRequest, partsOf size: Int) throws -> NewObjects {
        let space = view.space
        let (batch, values) = try space.transact {
            tx -> (ObjectBatch, [FieldAssignment]) in
            let descriptor = try descriptor(request.className, &tx)
            return try (
                tx.reserveObjects(of: descriptor, in: allocator, count: request.count),
                assignments(request, of: descriptor, &tx)
            )
        }
        try RequestScope.undoably {
            for start in stride(from: 0, to: batch.count, by: size) {
                guard !RequestScope.shouldGiveUp else {
                    throw TreeError(EINTR, "The command was interrupted before it was done.")
                }
                let part = start..<min(start + size, batch.count)
                try space.transact { tx in
                    try tx.initialise(part, of: batch)
                    guard !values.isEmpty else { return }
                    for index in part {
                        for value in values { try value.apply(toObject: index, of: batch, &tx) }
                    }
                }
            }
            try view.transact { tx in try tx.publish(batch) }
        } undo: {
            try? space.transact { tx in try tx.giveBack(batch) }
        }
        return NewObjects(first: batch.first, count: batch.count, stride: batch.descriptor.stride)
    }

    /// Runs that follow each other at the same distance, as one.
    private static func joined(_ runs: [NewObjects]) -> [NewObjects] {
        var joined: [NewObjects] = []
        for run in runs {
            if var last = joined.last, last.stride == run.stride,
                last[last.count] == run.first
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
