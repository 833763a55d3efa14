import Glibc

/// A name that no other test uses, for a space of its own.
public func uniqueSpaceName(_ prefix: String) -> String {
    "\(prefix)-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
}
