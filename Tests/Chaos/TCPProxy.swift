import Glibc
import MongoDriver
import Synchronization
import Threads

/// Stands between a program and a server on the loopback address, and disturbs.
///
/// The program's URI must say `directConnection=true`: libmongoc otherwise goes on to the hosts that the replica set
/// names, past the proxy.
package final class TCPProxy: Sendable {
    /// What happens to the bytes from now on.
    package enum Behaviour: Sendable, Equatable {
        case pass
        /// Every byte arrives, so much later.
        case delay(Duration)
        /// Half-open: what is sent in these directions is taken and never arrives; nobody hears of an end.
        case swallow(toServer: Bool, toClient: Bool)
    }

    struct Orders: Sendable {
        var behaviour = Behaviour.pass
        var isListening = true
        /// Counts the demands to drop what is connected.
        var drops = 0
        /// Commands whose reply is lost, with the number of times.
        var lostReplies: [String: Int] = [:]
        var lost = 0
        var isClosed = false
    }

    package let port: Int
    private let orders = Mutex(Orders())
    private let waker: CInt
    private let wakes: CInt

    /// - Parameter target: The server's port.
    package init(to target: Int) throws {
        let listener = try ProxyLoop.listen(port: 0)
        port = try ProxyLoop.port(of: listener)
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { throw ChaosError("a proxy cannot have a pipe") }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        waker = ends[1]
        wakes = ends[0]
        let (wakes, port) = (wakes, port)
        let hasThread = BlockingThread.start(name: "proxy") { [self] in
            var loop = ProxyLoop(port: port, target: target, listener: listener, waker: wakes)
            loop.run { change in self.orders.withLock { change(&$0) } }
        }
        guard hasThread else { throw ChaosError("no thread can be made for a proxy") }
    }

    /// How many replies were lost on demand so far.
    package var lostReplies: Int { orders.withLock { $0.lost } }

    /// Disturbs the bytes of all connections from now on, old and new.
    package func behave(_ behaviour: Behaviour) { order { $0.behaviour = behaviour } }

    /// Ends all connections; new ones are taken.
    package func drop() { order { $0.drops += 1 } }

    /// Ends all connections and takes no new ones: whoever tries is refused.
    package func refuse() {
        order {
            $0.drops += 1
            $0.isListening = false
        }
    }

    /// The server gets the next commands of that name and does what they say; instead of the reply the connection ends.
    package func loseReplies(to command: String, times: Int = 1) {
        order { $0.lostReplies[command, default: 0] += times }
    }

    /// Everything passes again. A connection that has lost bytes is ended, as a network that is back would do.
    package func heal() {
        order {
            $0.behaviour = .pass
            $0.isListening = true
            $0.lostReplies = [:]
        }
    }

    /// Ends all connections and the thread.
    package func close() { order { $0.isClosed = true } }

    deinit {
        Glibc.close(waker)
        Glibc.close(wakes)
    }

    private func order(_ change: (inout Orders) -> Void) {
        orders.withLock { change(&$0) }
        // Where the pipe is full the thread is awake.
        var call: UInt8 = 1
        _ = write(waker, &call, 1)
    }
}
