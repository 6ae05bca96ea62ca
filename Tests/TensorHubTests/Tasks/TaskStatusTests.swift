import TensorHub
import Testing

@Suite struct TaskStatusTests {
    @Test func `Every transition starts from the states that the picture shows and from no other`() {
        let expected: [TaskTransition: [TaskStatus: TaskStatus]] = [
            .claim: [.pending: .running],
            .finish: [.running: .finished],
            .fail: [.running: .failed],
            .retry: [.running: .pending],
            .release: [.running: .pending],
            .lose: [.running: .pending],
            .reject: [.pending: .failed],
            .cancel: [.pending: .cancelled, .running: .cancelled],
            .retryByHand: [.finished: .pending, .failed: .pending, .cancelled: .pending],
        ]
        for transition in TaskTransition.allCases {
            for status in TaskStatus.all + [TaskStatus(rawValue: "foreign")] {
                #expect(status.after(transition) == expected[transition]?[status], "\(status) \(transition)")
            }
        }
    }

    @Test func `TensorLayer's distributor waits for the same two words as ours`() {
        #expect(TaskStatus.all.filter(\.isUnfinished) == [.pending, .running])
        #expect(!TaskStatus(rawValue: "done by hand").isUnfinished)
    }
}
