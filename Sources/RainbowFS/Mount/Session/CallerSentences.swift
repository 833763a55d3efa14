import Glibc
import Synchronization

/// The sentence for the last call of each thread that failed, for that thread alone.
///
/// A program learns from a system call only the number of the error. The newest line of `messages`
/// may be of another call; so the commands ask here, by the extended attribute `attribute` of the
/// top of the mount, which answers each thread with what it has itself been told last.
final class CallerSentences: Sendable {
    /// An error name, a blank and the sentence; it is not listed, and to be had once.
    static let attribute = "user.rainbow.sentence"

    private struct Sentence {
        var uid: UInt32
        var text: String
        var time: UInt64
    }

    /// By the thread's number.
    private let sentences = Mutex<[UInt32: Sentence]>([:])
    private static let countMax = 1024
    /// Numbers come again: after that time it is not the same thread that asks.
    private static let secondsMax: UInt64 = 60
    private static let bytesMax = 4000

    func note(_ errno: Int32, _ message: String, for caller: Caller) {
        // Processes that this one cannot see have all the same number.
        guard caller.thread != 0 else { return }
        let text = "\(ErrorName.of(errno)) \(message)"
        let sentence = Sentence(
            uid: caller.uid, text: String(decoding: text.utf8.prefix(Self.bytesMax), as: UTF8.self),
            time: SystemClock.monotonicNanoseconds)
        sentences.withLock { sentences in
            if sentences.count >= Self.countMax, sentences[caller.thread] == nil {
                let times = sentences.values.map(\.time).sorted()
                let median = times[times.count / 2]
                sentences = sentences.filter { $0.value.time > median }
            }
            sentences[caller.thread] = sentence
        }
    }

    /// A call failed for a reason that needs no sentence.
    func forget(_ caller: Caller) {
        sentences.withLock { sentences in
            if !sentences.isEmpty { sentences[caller.thread] = nil }
        }
    }

    /// - Parameter forgetsIt: whether it can be had once only.
    func sentence(for caller: Caller, forgetsIt: Bool) throws(TreeError) -> [UInt8] {
        let now = SystemClock.monotonicNanoseconds
        let found = sentences.withLock { sentences -> Sentence? in
            guard let sentence = sentences[caller.thread], sentence.uid == caller.uid,
                now - min(now, sentence.time) < Self.secondsMax * 1_000_000_000
            else { return nil }
            if forgetsIt { sentences[caller.thread] = nil }
            return sentence
        }
        guard let found else {
            throw TreeError(ENODATA, "No call of this process failed since it asked last.")
        }
        return Array(found.text.utf8)
    }
}

/// What a process is called.
enum ProcessName {
    /// The name that ps(1) shows; nil for a process that is gone or in another namespace.
    static func of(_ pid: UInt32) -> String? {
        guard pid != 0, let text = ProcFile.content(of: "/proc/\(pid)/comm") else { return nil }
        return String(decoding: text.prefix { $0 != 10 }, as: UTF8.self)
    }
}
