import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

extension ObjectID {
    /// Five bytes that tell this process from all others.
    private static let processRandom = UInt64.random(in: 0..<(1 << 40))
    /// Starts anywhere and wraps around; three bytes of it are used.
    private static let counter = Atomic(UInt32.random(in: 0...0xFF_FFFF))

    /// A new identifier: the seconds since 1970 by this computer's clock, a random number of this process, a counter.
    /// May be called on any thread.
    public init() {
        let seconds = UInt64(UInt32(truncatingIfNeeded: time(nil)))
        let count = Self.counter.wrappingAdd(1, ordering: .relaxed).oldValue & 0xFF_FFFF
        self.init(
            head: seconds << 32 | Self.processRandom >> 8,
            tail: UInt32(truncatingIfNeeded: Self.processRandom & 0xFF) << 24 | count
        )
    }
}
