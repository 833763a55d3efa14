extension FieldText {
    /// Turns text that may hold only the first values of an array into their bytes.
    ///
    /// - Parameter bytes: `field.byteCount` bytes, of which those of the values found are filled;
    ///   undefined if an error is thrown.
    /// - Returns: how many values the text has.
    /// - Throws: `.invalid` if there are more than the field has or one is no value of the type,
    ///   `.range` if the type cannot hold one.
    public static func parsePrefix(
        _ text: UnsafeRawBufferPointer, for field: Field,
        into bytes: UnsafeMutableRawBufferPointer
    ) throws(ObjectError) -> Int {
        precondition(bytes.count == field.byteCount && !field.isReference && !field.isRaw)
        var words = unsafe FieldWords(text)
        var count = 0
        while let word = unsafe words.next() {
            guard count < field.count else {
                throw ObjectError(
                    .invalid, "\(field.name) takes \(field.count) values, the text has more.")
            }
            let place = unsafe bytes.baseAddress! + count * field.type.elementSize
            unsafe try FieldValue.parse(word, for: field, into: place)
            count += 1
        }
        return count
    }
}
