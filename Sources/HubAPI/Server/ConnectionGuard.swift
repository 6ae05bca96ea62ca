import NIOCore
import NIOHTTPTypes

/// Closes a connection that does not show within seconds that it may be there, and one whose body stays away.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart

    private let doorkeeper: Doorkeeper
    private var connection: PeerConnection?
    private var proof: Scheduled<Void>?
    private var body: Scheduled<Void>?
    private var isReadingBody = false
    /// Somebody wants bytes, and none have come: only then is it the other side that is slow.
    private var isWaiting = false
    private var lastPart = NIODeadline.now()

    init(_ doorkeeper: Doorkeeper) {
        self.doorkeeper = doorkeeper
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { admit(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        admit(context)
        context.fireChannelActive()
    }

    private func admit(_ context: ChannelHandlerContext) {
        let channel = context.channel
        guard connection == nil else { return }
        guard let connection = doorkeeper.admit(channel) else {
            channel.close(promise: nil)
            return
        }
        self.connection = connection
        proof = context.eventLoop.scheduleTask(in: doorkeeper.proofLimit) { [doorkeeper] in
            if !doorkeeper.isProven(connection) { channel.close(promise: nil) }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        proof?.cancel()
        body?.cancel()
        if let connection { doorkeeper.closed(connection) }
        context.fireChannelInactive()
    }

    func read(context: ChannelHandlerContext) {
        if !isWaiting { lastPart = .now() }
        isWaiting = true
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isWaiting = false
        switch unwrapInboundIn(data) {
        case .head: isReadingBody = true
        case .body: break
        case .end: isReadingBody = false
        }
        context.fireChannelRead(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if isReadingBody, body == nil { watchBody(context, in: doorkeeper.bodyLimit) }
        context.fireChannelReadComplete()
    }

    private func watchBody(_ context: ChannelHandlerContext, in time: TimeAmount) {
        body = context.eventLoop.assumeIsolated().scheduleTask(in: time) { [self] in
            body = nil
            guard isReadingBody, context.channel.isActive else { return }
            let silence = isWaiting ? NIODeadline.now() - lastPart : .zero
            if silence >= doorkeeper.bodyLimit {
                context.close(promise: nil)
            } else {
                watchBody(context, in: doorkeeper.bodyLimit - silence)
            }
        }
    }
}

@available(*, unavailable)
extension ConnectionGuard: Sendable {}
