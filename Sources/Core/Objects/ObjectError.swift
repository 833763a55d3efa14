/// Why a request to the object layer was refused: a kind, and the facts of it.
///
/// A description says the facts as half a sentence, in the words of this layer, and at most what a
/// program can do about it. Who knows the user adds what the user can do.
///
/// Conflicts and a full memory are not told here: they are `TransactionError`s of the layer below
/// and pass through every function of this layer untouched.
public enum ObjectError: Error, Hashable, Sendable {
    /// Nothing has this name or address.
    case notFound(Missing)
    /// The name is taken.
    case exists(Taken)
    /// A text, name, reference or request that makes no sense.
    case invalid(Mistake)
    /// Headers, sizes and the objects of the system are not for users to change.
    case notPermitted(Protected)
    /// A class that is in use.
    case busy(UsedClass)
    /// An allocator or region that still holds something.
    case notEmpty(Holder)
    /// There is no room left.
    case full(FullMemory)
    /// The name is longer than its limit, in bytes.
    case nameTooLong(Named, max: Int)
    /// More than one transaction may hold.
    case tooBig(Excess)

    /// A link or a number in the shared memory that no correct program can have left there.
    static func damaged(_ what: String, at address: Address) -> ObjectError {
        .invalid(.damage(what, at: address))
    }
}

extension ObjectError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notFound(let missing): missing.description
        case .exists(let taken): taken.description
        case .invalid(let mistake): mistake.description
        case .notPermitted(let protected): protected.description
        case .busy(let used): used.description
        case .notEmpty(.allocator(let name)): "the allocator \(name) holds objects"
        case .notEmpty(.region(let name)): "the region \(name) has allocators"
        case .full(let memory): memory.description
        case .nameTooLong(let what, let max): "the name of \(what) has at most \(max) bytes"
        case .tooBig(let excess): excess.description
        }
    }
}

extension ObjectError {
    /// What has a name.
    public enum Named: String, Sendable, CustomStringConvertible {
        case region = "a region"
        case allocator = "an allocator"
        case `class` = "a class"
        case field = "a field"
        case object = "an object"

        public var description: String { rawValue }
    }

    /// What holds others.
    public enum Holder: Hashable, Sendable {
        case allocator(String)
        case region(String)
    }

    public enum Missing: Hashable, Sendable, CustomStringConvertible {
        case object(Address)
        case allocator(String, region: String)
        /// An object that is no allocator.
        case allocatorObject(Address)
        case `class`(String)
        /// An object that is no class.
        case classObject(Address)
        /// A class that was removed or defined again since it was looked up.
        case definition
        case field(String, class: String)
        /// A field of another class than that of the object.
        case fieldOfObject(String, Address)
        case element(Int, field: String, count: Int)
        case name(String)
        case nameObject(Address)
        case region(String)
        case regionNumber(Int)

        public var description: String {
            switch self {
            case .object(let address): "there is no object at \(address)"
            case .allocator(let name, let region):
                "there is no allocator \(name) in the region \(region)"
            case .allocatorObject(let address): "the object at \(address) is not an allocator"
            case .class(let name): "there is no class \(name)"
            case .classObject(let address): "the object at \(address) is not a class"
            case .definition: "the class was removed or defined again; look it up again"
            case .field(let field, let name): "the class \(name) has no field \(field)"
            case .fieldOfObject(let field, let object):
                "the object at \(object) is of another class than the field \(field)"
            case .element(let index, let field, let count):
                "the field \(field) has the elements 0 to \(count - 1), not \(index)"
            case .name(let name): "there is no name \(name)"
            case .nameObject(let address): "there is no name at \(address) any more"
            case .region(let name): "there is no region \(name)"
            case .regionNumber(let number): "there is no region \(number)"
            }
        }
    }

    public enum Taken: Hashable, Sendable, CustomStringConvertible {
        case name(String)
        case region(String)
        case allocator(String, region: String)

        public var description: String {
            switch self {
            case .name(let name): "the name \(name) is taken; remove it first"
            case .region(let name): "there is a region \(name) already"
            case .allocator(let name, let region):
                "the region \(region) has an allocator \(name) already"
            }
        }
    }

    public enum Mistake: Hashable, Sendable, CustomStringConvertible {
        /// A name that is empty, `.` or `..`, or that has a `/` or NUL.
        case name(of: Named)
        /// A name of a class or field that is no identifier.
        case identifier(of: Named)
        /// What is wrong in a line of the text of a class; lines count from 1.
        case classText(line: Int, String)
        case classTextNotUTF8
        /// A field that refers to a class that is not there.
        case targetClass(String, field: String)
        case model(String)
        case capacity(max: UInt64)
        /// A capacity below what the objects of the allocator take.
        case capacityBelowUse(allocator: String, used: UInt64)
        case noReference(field: String)
        case reference(field: String)
        /// A field of another type than the program asks for.
        case type(FieldType, field: String, asked: FieldType)
        /// Bytes that would make a string no UTF-8.
        case stringBytes(field: String)
        /// Bytes that begin or end within a reference.
        case partOfReference
        /// A reference to where no object is.
        case target(Address, field: String)
        case classOfTarget(String, Address, field: String, expected: String)
        /// A name for where no object is.
        case namedObject(Address)
        /// A listing of the objects of a class from a position that is gone.
        case listing(class: String)
        case layout(found: UInt64, known: UInt64)
        case damage(String, at: Address)

        public var description: String {
            switch self {
            case .name(let what):
                "the name of \(what) has no / and no NUL, and is not empty, . or .."
            case .identifier(let what):
                "the name of \(what) has letters, digits and _, and begins with no digit"
            case .classText(let line, let what): "line \(line) of the class text: \(what)"
            case .classTextNotUTF8: "the text of a class must be UTF-8"
            case .targetClass(let name, let field):
                "the field \(field) refers to the class \(name), which is not there"
            case .model(let model):
                "this version has no consistency model \(model); transactional is the only one"
            case .capacity(let max): "a capacity is 1 to \(max) bytes"
            case .capacityBelowUse(let name, let used):
                "the objects of \(name) take \(used) bytes, more than that"
            case .noReference(let field): "the field \(field) is no reference"
            case .reference(let field): "the field \(field) is a reference"
            case .type(let type, let field, let asked):
                "the field \(field) is \(type.name), the program asks for \(asked.name)"
            case .stringBytes(let field):
                "the field \(field) is a string: with these bytes it would be no UTF-8"
            case .partOfReference:
                "references are written whole: eight bytes at a multiple of eight"
            case .target(let target, let field):
                "the field \(field) must lead to an object; none is at \(target)"
            case .classOfTarget(let found, let target, let field, let expected):
                "the field \(field) takes an object of the class \(expected); \(target) is of the"
                    + " class \(found)"
            case .namedObject(let target): "a name must lead to an object; none is at \(target)"
            case .listing(let name): "the listing of the objects of \(name) must begin again"
            case .layout(let found, let known):
                "its objects have layout \(found), this program knows layout \(known)"
            case .damage(let what, let address): "the space is damaged: \(what) at \(address)"
            }
        }
    }

    public enum Protected: Hashable, Sendable, CustomStringConvertible {
        case systemAllocator
        case systemClass(String)
        /// The objects of a class that only the system makes.
        case instances(class: String)
        case systemField(String)
        case systemObject
        case systemRegion(String)
        case sizeOfObject(bytes: Int)
        case sizeOfField(String, bytes: Int)
        /// The header, at these bytes of an object.
        case header(ClosedRange<Int>)
        /// Owner and mode of an object, which are those of its allocator.
        case ownership

        public var description: String {
            switch self {
            case .systemAllocator:
                "the system allocator belongs to the space itself; make your own"
            case .systemClass(let name): "the class \(name) belongs to the system; use another name"
            case .instances(let name): "objects of the class \(name) come with the system only"
            case .systemField(let field): "the field \(field) belongs to a class of the system"
            case .systemObject: "objects of the system cannot be written"
            case .systemRegion(let name): "the region \(name) belongs to every space"
            case .sizeOfObject(let bytes): "the object has \(bytes) bytes and cannot be resized"
            case .sizeOfField(let field, let bytes):
                "the field \(field) has \(bytes) bytes and cannot be resized"
            case .header(let bytes):
                "bytes \(bytes.lowerBound) to \(bytes.upperBound) are the header, which never"
                    + " changes; write before or after it"
            case .ownership: "objects have the owner and mode of their allocator; change that"
            }
        }
    }

    public enum UsedClass: Hashable, Sendable, CustomStringConvertible {
        /// One that cannot change, nor be removed, since it has objects.
        case change(String)
        case removal(String)
        /// So many fields of classes lead to objects of this one.
        case hasReferrers(String, fields: UInt32)

        public var description: String {
            switch self {
            case .change(let name): "the class \(name) has objects, so it cannot change"
            case .removal(let name):
                "the class \(name) has objects, and stays as long as they do"
            case .hasReferrers(let name, let fields): "\(fields) fields of classes refer to \(name)"
            }
        }
    }

    public enum FullMemory: Hashable, Sendable, CustomStringConvertible {
        case allocator(String, free: UInt64, capacity: UInt64, asked: Int)
        case systemAllocator(class: String)
        case region(asked: UInt64)
        /// An allocator that holds objects, with another one or the end of the region after it.
        case afterAllocator(String, asked: UInt64)
        case regions(max: Int)

        public var description: String {
            switch self {
            case .allocator(let name, let free, let capacity, let asked):
                "the allocator \(name) has \(free) of \(capacity) bytes left, too few for \(asked)"
                    + " more; raise its capacity or make another allocator"
            case .systemAllocator(let name):
                "the system allocator has no room for another \(name) object; those that are"
                    + " removed make room only for their like"
            case .region(let asked):
                "the region has no \(asked) bytes in a row left; make another region or a smaller"
                    + " allocator"
            case .afterAllocator(let name, let asked):
                "the allocator \(name) holds objects, so it stays where it is, and there is no room"
                    + " for \(asked) bytes; make another allocator"
            case .regions(let max): "a space has \(max) regions at most; remove an empty one"
            }
        }
    }

    public enum Excess: Hashable, Sendable, CustomStringConvertible {
        case classText
        case object(bytes: Int)
        case objects(Int, class: String, max: Int)

        public var description: String {
            switch self {
            case .classText:
                "the text of a class has at most \(ObjectLimits.classTextBytes) bytes"
            case .object(let bytes):
                "an object of this class would have \(bytes) bytes,"
                    + " \(ObjectLimits.objectBytes) at most; split the class with references"
            case .objects(let count, let name, let max):
                "\(max) objects of the class \(name) can be made at once, not \(count)"
            }
        }
    }
}
