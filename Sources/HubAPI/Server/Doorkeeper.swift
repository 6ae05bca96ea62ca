import HummingbirdCore
import NIOCore
import Synchronization
import Threads

/// Who is connected to one service, and for how long somebody may stay who has shown nothing.
final class Doorkeeper: Sendable {
    /// Connections of one service.
    static let limit = 512
    /// Of one other machine; an address of IPv6 counts with its network of 64 bits.
    static let peerLimit = 128
    /// Of this machine over TCP, where a proxy may stand for many.
    static let loopbackLimit = 256
    /// From the connection, TLS included, to the head of a request that shows the token.
    static let proofLimit: TimeAmount = .seconds(10)
    /// How long the bytes of a body may stay away.
    static let bodyLimit: TimeAmount = .seconds(60)

    private struct State {
        var book = ConnectionBook<String>(limit: Doorkeeper.limit)
        var next = 0
        var connections: [Int: PeerConnection] = [:]
        var numbers: [ObjectIdentifier: Int] = [:]
    }

    let proofLimit: TimeAmount
    let bodyLimit: TimeAmount
    private let state = Mutex(State())

    init(proofLimit: TimeAmount = Doorkeeper.proofLimit, bodyLimit: TimeAmount = Doorkeeper.bodyLimit) {
        self.proofLimit = proofLimit
        self.bodyLimit = bodyLimit
    }

    var count: Int { state.withLock { $0.book.count } }
    var hasRoom: Bool { state.withLock { $0.book.hasRoom } }

    /// - Returns: `nil` where it must be closed.
    func admit(_ channel: any Channel) -> PeerConnection? {
        let (peer, share) = Self.peer(channel.remoteAddress)
        let (connection, victim) = state.withLock { state -> (PeerConnection?, PeerConnection?) in
            state.next += 1
            let number = state.next
            let admission = state.book.admit(number, of: peer, share: share)
            if admission == .refused { return (nil, nil) }
            var victim: PeerConnection?
            if case .instead(let other) = admission { victim = state.connections.removeValue(forKey: other) }
            if let victim { state.numbers[ObjectIdentifier(victim.channel)] = nil }
            let connection = PeerConnection(number: number, channel: channel)
            state.connections[number] = connection
            state.numbers[ObjectIdentifier(channel)] = number
            return (connection, victim)
        }
        victim?.channel.close(promise: nil)
        return connection
    }

    func connection(of channel: any Channel) -> PeerConnection? {
        state.withLock { state in state.numbers[ObjectIdentifier(channel)].flatMap { state.connections[$0] } }
    }

    /// It has shown the token, or need not.
    func prove(_ connection: PeerConnection) { state.withLock { $0.book.prove(connection.number) } }

    func isProven(_ connection: PeerConnection) -> Bool { state.withLock { $0.book.isProven(connection.number) } }

    func closed(_ connection: PeerConnection) {
        state.withLock { state in
            state.book.close(connection.number)
            if state.connections.removeValue(forKey: connection.number) != nil {
                state.numbers[ObjectIdentifier(connection.channel)] = nil
            }
        }
        connection.gone.set()
    }

    /// Nobody waits for answers any more.
    func giveUpQueries() {
        for connection in state.withLock({ Array($0.connections.values) }) { connection.gone.set() }
    }

    private static func peer(_ address: SocketAddress?) -> (String?, share: Int) {
        switch address {
        case .v4, .v6: break
        default: return (nil, .max)
        }
        guard let text = address?.ipAddress else { return (nil, .max) }
        if text == "::1" || text.hasPrefix("127.") || text.hasPrefix("::ffff:127.") {
            return ("loopback", loopbackLimit)
        }
        guard text.utf8.contains(UInt8(ascii: ":")), !text.hasPrefix("::ffff:"), case .v6(let six) = address else {
            return (text, peerLimit)
        }
        // Behind family, port and flow: the first half of the address.
        let network = withUnsafeBytes(of: six.address) { Array($0[8..<16]) }
        return ("\(network)", peerLimit)
    }
}

/// One connection. Its channel outlives it.
final class PeerConnection: Sendable {
    let number: Int
    let channel: any Channel
    /// Set when nobody waits for answers on it any more.
    let gone = Signal<Void>()

    init(number: Int, channel: any Channel) {
        self.number = number
        self.channel = channel
    }
}

/// Accepts while there is room, or somebody who gives way.
struct Intake: AvailableConnectionsDelegate {
    let doorkeeper: Doorkeeper

    func connectionOpened() {}
    func connectionClosed() {}
    func isAcceptingNewConnections() -> Bool { doorkeeper.hasRoom }
}
