import Glibc

/// The thread of a proxy: all of its connections by `poll`.
struct ProxyLoop {
    private let port: Int
    private let target: Int
    private let waker: CInt
    private var listener: CInt
    private var links: [ProxyLink] = []
    private var drops = 0
    private var orders = TCPProxy.Orders()

    init(port: Int, target: Int, listener: CInt, waker: CInt) {
        self.port = port
        self.target = target
        self.listener = listener
        self.waker = waker
    }

    /// Runs until the proxy is closed.
    ///
    /// - Parameter exchange: Reads the orders, and writes down which of them are carried out.
    mutating func run(_ exchange: ((inout TCPProxy.Orders) -> Void) -> Void) {
        while true {
            obey()
            wait()
            // Before any byte is moved: what was sent after an order is subject to it.
            exchange { orders = $0 }
            if orders.isClosed { break }
            let lost = move()
            if !lost.isEmpty {
                exchange { orders in
                    for command in lost {
                        orders.lostReplies[command] = (orders.lostReplies[command] ?? 1) - 1
                        orders.lost += 1
                    }
                }
            }
            links.removeAll { $0.isClosed }
        }
        for index in links.indices { links[index].close() }
        if listener >= 0 { Glibc.close(listener) }
    }

    private mutating func obey() {
        if orders.isListening, listener < 0 { listener = (try? Self.listen(port: port)) ?? -1 }
        if !orders.isListening, listener >= 0 {
            Glibc.close(listener)
            listener = -1
        }
        let mustDrop = drops != orders.drops
        drops = orders.drops
        for index in links.indices {
            if mustDrop || (orders.behaviour == .pass && links[index].hasLostBytes) { links[index].close() }
        }
        links.removeAll { $0.isClosed }
    }

    /// Until there is something to do; takes new connections.
    private mutating func wait() {
        var entries = [pollfd(fd: waker, events: Int16(POLLIN), revents: 0)]
        entries.append(pollfd(fd: listener, events: Int16(POLLIN), revents: 0))
        var due: ContinuousClock.Instant?
        for link in links {
            for (descriptor, events) in link.interests {
                entries.append(pollfd(fd: descriptor, events: events, revents: 0))
            }
            if let next = link.due { due = min(due ?? next, next) }
        }
        // Where the listener could not be opened again, the port is somebody's for a moment.
        var timeout: CInt = orders.isListening && listener < 0 ? 20 : -1
        if let due { timeout = CInt(max(0, min(1000, (due - .now) / .milliseconds(1) + 1))) }
        poll(&entries, nfds_t(entries.count), timeout)
        var calls = [UInt8](repeating: 0, count: 64)
        if entries[0].revents != 0 { _ = read(waker, &calls, calls.count) }
        if entries[1].revents & Int16(POLLIN) != 0 { accept() }
    }

    private mutating func accept() {
        let client = Glibc.accept(listener, nil, nil)
        guard client >= 0 else { return }
        _ = fcntl(client, F_SETFD, FD_CLOEXEC)
        _ = fcntl(client, F_SETFL, O_NONBLOCK)
        let server = Self.socket(flags: 0)
        guard server >= 0, Self.withAddress(port: target, { connect(server, $0, $1) }) == 0 else {
            Glibc.close(client)
            if server >= 0 { Glibc.close(server) }
            return
        }
        _ = fcntl(server, F_SETFL, O_NONBLOCK)
        links.append(ProxyLink(client: client, server: server))
    }

    /// - Returns: The commands whose replies were lost.
    private mutating func move() -> [String] {
        var lost: [String] = []
        for index in links.indices {
            if let command = links[index].move(orders) {
                lost.append(command)
                orders.lostReplies[command] = (orders.lostReplies[command] ?? 1) - 1
            }
        }
        return lost
    }

    // MARK: Sockets

    static func listen(port: Int) throws -> CInt {
        let descriptor = socket(flags: CInt(SOCK_NONBLOCK.rawValue))
        var yes: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<CInt>.size))
        guard withAddress(port: port, { bind(descriptor, $0, $1) }) == 0, Glibc.listen(descriptor, 128) == 0 else {
            let reason = String(cString: strerror(errno))
            Glibc.close(descriptor)
            throw ChaosError("a proxy cannot listen on port \(port): \(reason)")
        }
        return descriptor
    }

    static func port(of descriptor: CInt) throws -> Int {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard status == 0 else { throw ChaosError("a proxy has no port") }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    private static func socket(flags: CInt) -> CInt {
        Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | flags, 0)
    }

    private static func withAddress(
        port: Int,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
