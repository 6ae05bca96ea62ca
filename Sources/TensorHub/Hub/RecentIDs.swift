import BSON

/// The identifiers that were met last, so that nothing is shown twice and memory stays bounded.
struct RecentIDs {
    private var set: Set<BSONValue> = []
    private var order: [BSONValue] = []
    private var oldest = 0
    let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
    }

    func contains(_ id: BSONValue) -> Bool { set.contains(id) }

    /// Returns whether it is new.
    mutating func insert(_ id: BSONValue) -> Bool {
        guard set.insert(id).inserted else { return false }
        if order.count < capacity {
            order.append(id)
        } else {
            set.remove(order[oldest])
            order[oldest] = id
            oldest = (oldest + 1) % capacity
        }
        return true
    }
}
