extension Space {
    /// Calls `body` with the lines that this thread's last transaction wrote: pages with masks of
    /// lines; a page may come twice. To be called when `transact` has returned.
    public func forEachPageOfLastCommit(_ body: (_ page: UInt64, _ lines: UInt64) -> Void) {
        guard let context = unsafe try? threadContext() else { return }
        unsafe context.pointee.forEachPageWritten(body)
    }

    /// Those of some lines of a page that a commit has written since a version, or is about to.
    ///
    /// Whoever draws a version has locked its lines before. So of the commits up to the newest
    /// version, none is missed.
    public func changedLines(
        _ lines: UInt64, ofPage page: UInt64, since version: UInt64
    ) -> UInt64 {
        let address = Address(page << Address.pageShift)
        guard let region = try? mapRegion(address.region), region.isPresent(address.offset) else {
            return 0
        }
        var changed: UInt64 = 0
        var left = lines
        while left != 0 {
            let line = UInt64(left.trailingZeroBitCount)
            // A lock is above all versions.
            let word = region.lineWord(address.offset + line << Address.lineShift).load()
            if word > version { changed |= 1 << line }
            left &= left - 1
        }
        return changed
    }
}

extension Transaction {
    fileprivate func forEachPageWritten(_ body: (_ page: UInt64, _ lines: UInt64) -> Void) {
        guard entryCount > 0 || fillCount > 0 else { return }
        unsafe LoggedCommit(
            log: log, entryCount: entryCount, fillCount: fillCount, lock: 0, space: owner,
            targets: targets, fills: fills
        ).forEachPage(body)
    }
}
