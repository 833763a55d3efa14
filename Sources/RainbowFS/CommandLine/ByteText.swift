/// Sizes as people read them.
enum ByteText {
    /// `bytes` in the largest unit that leaves at least one of it, with one digit behind the point.
    static func describe(_ bytes: UInt64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        var value = Double(bytes)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        let tenths = (value * 10).rounded() / 10
        return (unit == 0 ? String(bytes) : String(tenths)) + " " + units[unit]
    }
}
