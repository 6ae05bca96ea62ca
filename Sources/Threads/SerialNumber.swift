import Synchronization

/// Tells things of this process apart. Not by address: a new one may live where one is that is just being destroyed.
package struct SerialNumber: Hashable, Sendable {
    private static let counter = Atomic<UInt64>(0)
    private let number = counter.add(1, ordering: .relaxed).newValue

    package init() {}
}
