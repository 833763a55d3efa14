/// Times as texts.
enum TimeText {
    /// `2026-11-21T08:00:00.123Z`
    /// - Parameter milliseconds: since 1970.
    static func describe(milliseconds: UInt64) -> String {
        func digits(_ number: Int, _ count: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let seconds = Int(milliseconds / 1000)
        let (year, month, day) = date(daysSince1970: seconds / 86_400)
        return digits(year, 4) + "-" + digits(month, 2) + "-" + digits(day, 2) + "T"
            + digits(seconds / 3600 % 24, 2) + ":" + digits(seconds / 60 % 60, 2) + ":"
            + digits(seconds % 60, 2) + "." + digits(Int(milliseconds % 1000), 3) + "Z"
    }

    /// The Gregorian date, counted in eras of 400 years that begin on the first of March
    /// (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    private static func date(daysSince1970: Int) -> (year: Int, month: Int, day: Int) {
        let days = daysSince1970 + 719_468
        let (era, dayOfEra) = (days / 146_097, days % 146_097)
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shifted + 2) / 5 + 1
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, day)
    }
}
