import NIOCore
import NIOPosix

/// The one thread of this process that speaks with the runner. It is none of Swift's pool, so that what a script
/// reports is delivered while the script computes on all of those without a pause.
final class DeliveryThread: TaskExecutor {
    static let shared = DeliveryThread()

    let loop: any EventLoop

    private init() {
        loop = MultiThreadedEventLoopGroup(numberOfThreads: 1).next()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}
