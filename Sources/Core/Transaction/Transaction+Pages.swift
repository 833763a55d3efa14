/// Pages that are not in memory (`Pages`), as a transaction meets them.
extension Transaction {
    /// Whether the page of an address has a frame. One that is elsewhere is brought first; without
    /// a frame it is zeros at the read version.
    @inline(__always)
    mutating func isResident(
        _ address: UInt64, in region: RegionMapping
    ) throws(TransactionError) -> Bool {
        if region.isPresent(Address(address).offset) { return true }
        return try bring(Address(address), in: region)
    }

    @inline(never)
    private mutating func bring(
        _ address: Address, in region: RegionMapping
    ) throws(TransactionError) -> Bool {
        let isResident = try whileBusy(address) { pages throws(PageFailure) in
            try pages.fetch(address, in: region)
        }
        // The page of an old version may have been evicted because nobody was known to read it.
        if !isResident { try checkView() }
        return isResident
    }

    /// The same for who only compares line words, which brings nothing.
    mutating func isUnevicted(_ address: UInt64, in region: RegionMapping) -> Bool {
        region.isPresent(Address(address).offset)
            || owner.pages.isResident(Address(address), in: region)
    }

    /// Gives the pages of the write set their frames again, which they may have lost since the
    /// operation that wrote them.
    mutating func bringWriteSet() throws(TransactionError) {
        for index in 0..<entryCount {
            let address = log[index].address.loadRelaxed()
            guard let region = regions[containing: address],
                !region.isPresent(Address(address).offset)
            else { continue }
            try reserve(Address(address), count: Address.lineSize)
        }
        for index in 0..<fillCount {
            let fill = unsafe fills[index]
            try reserve(Address(fill.start), count: Int(fill.end - fill.start))
        }
    }

    /// Asks for pages until no other process is at it.
    /// - Throws: `busy` if the thread may not wait for that.
    mutating func whileBusy<R>(
        _ address: Address, _ body: (Pages) throws(PageFailure) -> R
    ) throws(TransactionError) -> R {
        var backoff = Backoff()
        while true {
            do throws(PageFailure) {
                return try body(owner.pages)
            } catch {
                switch error {
                case .outOfMemory: throw .outOfMemory
                case .unavailable(let cause): throw .unavailable(errno: cause.errno)
                case .busy:
                    if backoff.wait(), !owner.mayWait { throw busy(.line(at: address.rawValue)) }
                }
            }
        }
    }
}
