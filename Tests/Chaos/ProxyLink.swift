import Glibc

/// One connection through a proxy: two lanes of bytes.
struct ProxyLink {
    private struct Lane {
        var from: CInt
        var to: CInt
        /// What has arrived and is not sent on, with the time at which it may be.
        var waiting: [(due: ContinuousClock.Instant, bytes: [UInt8])] = []
        var hasEnded = false

        static let limit = 64
    }

    private var toServer: Lane
    private var toClient: Lane
    private(set) var isClosed = false
    /// Whether bytes were taken that the other side will never see: the connection is of no use any more.
    private(set) var hasLostBytes = false
    /// The command whose reply does not arrive.
    private var doomedCommand: String?

    init(client: CInt, server: CInt) {
        toServer = Lane(from: client, to: server)
        toClient = Lane(from: server, to: client)
        var yes: CInt = 1
        for descriptor in [client, server] {
            setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<CInt>.size))
        }
    }

    /// What to poll for.
    var interests: [(descriptor: CInt, events: Int16)] {
        var result: [(CInt, Int16)] = []
        for (own, other) in [(toServer, toClient), (toClient, toServer)] {
            var events: Int16 = 0
            if !own.hasEnded, own.waiting.count < Lane.limit { events |= Int16(POLLIN) }
            if let first = other.waiting.first, first.due <= .now { events |= Int16(POLLOUT) }
            // A descriptor without interest would still wake us by its end, over and over.
            result.append((events == 0 ? -1 : own.from, events))
        }
        return result
    }

    /// When bytes that are held back may go on; `nil` where none are.
    var due: ContinuousClock.Instant? {
        [toServer.waiting.first?.due, toClient.waiting.first?.due].compactMap { $0 }.filter { $0 > .now }.min()
    }

    mutating func close() {
        guard !isClosed else { return }
        isClosed = true
        Glibc.close(toServer.from)
        Glibc.close(toClient.from)
    }

    /// Takes what has come and sends what is due.
    ///
    /// - Returns: The command whose reply was lost just now.
    mutating func move(_ orders: TCPProxy.Orders) -> String? {
        var swallowed = (toServer: false, toClient: false)
        var delay = Duration.zero
        switch orders.behaviour {
        case .pass: break
        case .delay(let time): delay = time
        case .swallow(let server, let client): swallowed = (server, client)
        }
        let requests = take(\.toServer, swallowing: swallowed.toServer, delay: delay)
        if doomedCommand == nil, !requests.isEmpty {
            doomedCommand = orders.lostReplies.first { $0.value > 0 && requests.contains(command: $0.key) }?.key
        }
        // The server may close what it is told to; a client that is to learn of nothing does not learn of that.
        let replies = take(\.toClient, swallowing: swallowed.toClient, delay: delay)
        if let command = doomedCommand, !replies.isEmpty {
            close()
            return command
        }
        if isClosed { return nil }
        send(\.toServer)
        send(\.toClient)
        return nil
    }

    private mutating func take(
        _ lane: WritableKeyPath<ProxyLink, Lane>,
        swallowing: Bool,
        delay: Duration
    ) -> [UInt8] {
        guard !isClosed, !self[keyPath: lane].hasEnded, self[keyPath: lane].waiting.count < Lane.limit else {
            return []
        }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = read(self[keyPath: lane].from, &buffer, buffer.count)
        if count < 0, errno == EAGAIN || errno == EINTR { return [] }
        if count <= 0 {
            if swallowing {
                self[keyPath: lane].hasEnded = true
                hasLostBytes = true
            } else if self[keyPath: lane].waiting.isEmpty {
                close()
            }
            return []
        }
        let bytes = Array(buffer[..<count])
        if swallowing {
            hasLostBytes = true
            return []
        }
        self[keyPath: lane].waiting.append((.now + delay, bytes))
        return bytes
    }

    private mutating func send(_ lane: WritableKeyPath<ProxyLink, Lane>) {
        while !isClosed, let first = self[keyPath: lane].waiting.first, first.due <= .now {
            // No signal where the other side is gone.
            let count = Glibc.send(self[keyPath: lane].to, first.bytes, first.bytes.count, CInt(MSG_NOSIGNAL))
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            if count < 0 { return close() }
            if count == first.bytes.count {
                self[keyPath: lane].waiting.removeFirst()
            } else {
                self[keyPath: lane].waiting[0].bytes.removeFirst(count)
            }
        }
    }
}

extension [UInt8] {
    /// Whether a message has an element of that name: the first of its document is the command.
    fileprivate func contains(command: String) -> Bool {
        // Message header, flags, section kind, document length, element type.
        let start = 16 + 4 + 1 + 4 + 1
        let name = Array(command.utf8) + [0]
        return count >= start + name.count && self[start..<(start + name.count)].elementsEqual(name)
    }
}
