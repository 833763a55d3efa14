/// Where the fields of a class lie around an object's address.
///
///     address - 8, - 16, ...   references, in the order of their declaration
///     address                  header: the address of the class, and 1
///     address + 8 ...          scalars, in the order of their declaration, each at a multiple
///                              of its size
///
/// The references of any object, its class unknown, so begin right below its header, and the
/// scalars behind it never are mistaken for them.
struct ClassLayout {
    /// Bytes of each field's place, from the object's address.
    private(set) var offsets: [Int] = []
    /// References below the header, elements of arrays included.
    private(set) var referenceCount = 0
    /// Bytes behind the header, a multiple of 8.
    private(set) var scalarBytes = 0

    /// Bytes of an object.
    var size: Int { 8 * referenceCount + 8 + scalarBytes }

    /// - Throws: `.tooBig` if an object would not fit into one transaction.
    init(_ class: ClassDeclaration) throws(ObjectError) {
        var scalarEnd = 8
        for declaration in `class`.fields {
            if declaration.type == .reference {
                offsets.append(-8 * (referenceCount + 1))
                referenceCount += declaration.arrayCount ?? 1
            } else {
                let alignment = declaration.type.elementSize
                scalarEnd = (scalarEnd + alignment - 1) & ~(alignment - 1)
                offsets.append(scalarEnd)
                scalarEnd += declaration.byteCount
            }
        }
        scalarBytes = (scalarEnd - 8 + 7) & ~7
        guard size <= ObjectLimits.objectBytes else {
            throw ObjectError(
                .tooBig,
                "An object of this class would have \(size) bytes, "
                    + "\(ObjectLimits.objectBytes) at most; split the class with references.")
        }
    }
}
