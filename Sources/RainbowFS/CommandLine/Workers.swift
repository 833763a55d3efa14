import Glibc

/// Threads that run one function and are waited for.
enum Workers {
    static func run(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
        let threads = (0..<count).map { worker -> pthread_t in
            var thread = pthread_t()
            let task = unsafe Unmanaged.passRetained(Task { body(worker) })
            let status = unsafe pthread_create(
                &thread, nil,
                { argument in
                    let task = unsafe Unmanaged<Task>.fromOpaque(argument!).takeRetainedValue()
                    task.body()
                    return nil
                }, unsafe task.toOpaque())
            precondition(status == 0, "no thread can be made")
            return thread
        }
        for thread in threads { pthread_join(thread, nil) }
    }

    private final class Task: Sendable {
        let body: @Sendable () -> Void
        init(body: @escaping @Sendable () -> Void) { self.body = body }
    }
}
