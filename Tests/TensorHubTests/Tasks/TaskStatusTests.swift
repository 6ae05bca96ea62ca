import TensorHub
import Testing

@Suite struct TaskStatusTests {
    @Test func `TensorLayer's distributor waits for the same two words as ours`() {
        #expect(TaskStatus.all.filter(\.isUnfinished) == [.pending, .running])
        #expect(!TaskStatus(rawValue: "done by hand").isUnfinished)
    }
}
