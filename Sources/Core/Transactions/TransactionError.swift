/// Why an access or a transaction did not succeed.
public enum TransactionError: Error, Equatable, Sendable {
    /// Another transaction changed what this one read. `Space.transact` runs the body again; a
    /// body that catches this error must throw it on.
    case conflict
    /// The address lies in no region of the space, or a range leaves its region.
    case invalidAddress(Address)
    /// The machine did not let this process look at a region, for want of memory or of
    /// descriptors, as the number of the system's error tells. Nothing is wrong with the space,
    /// and it may work later.
    case unavailable(errno: Int32)
    /// The shared memory at this address holds what no correct program can have left there.
    case damaged(Address)
    /// Neither the space's limit nor the machine has memory left for another page.
    case outOfMemory
    /// The transaction writes more than its redo log holds (see `Transaction.bytesMax`).
    case tooLarge
    /// The space was attached for reading, or the transaction runs at the moment of a snapshot.
    case readOnly
    /// The moment that is read has ended, or its old versions were given up for want of memory.
    case stale
    /// The thread may not wait (`Space.setWaitCheck`), and another one is in the way. Nothing was
    /// done; it is worth while to try again when `Space.isOver` says so.
    case busy(Wait)
}
