/// Amounts of memory as people write them: `4096`, `512M`, `1G`. Suffixes are powers of 1024.
enum ByteCount {
    static func parse(_ text: String) -> UInt64? {
        var digits = Substring(text)
        var shift: UInt64 = 0
        switch digits.last {
        case "K", "k": shift = 10
        case "M", "m": shift = 20
        case "G", "g": shift = 30
        case "T", "t": shift = 40
        default: break
        }
        if shift > 0 { digits.removeLast() }
        guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let count = UInt64(digits),
            count <= UInt64.max >> shift
        else { return nil }
        return count << shift
    }
}
