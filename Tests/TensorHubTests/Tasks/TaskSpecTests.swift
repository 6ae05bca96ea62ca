import BSON
import TensorHub
import Testing

@Suite struct TaskSpecTests {
    private func fault(_ change: (inout TaskSpec) -> Void) -> HubError? {
        var spec = TaskSpec(script: "print(1)", hyperParameters: ["lr": 0.1], savedResultKeys: ["accuracy"])
        change(&spec)
        do {
            try spec.validate()
            return nil
        } catch {
            return error
        }
    }

    @Test func `A plain task is accepted`() {
        #expect(fault { _ in } == nil)
    }

    @Test func `Each fault is refused with the name of its field`() {
        let faults: [(field: String, change: (inout TaskSpec) -> Void)] = [
            ("script", { $0.script = [] }),
            ("script", { $0.script = Array(repeating: 65, count: TaskSpec.maximumScriptSize + 1) }),
            ("hyper_parameters.a.b", { $0.hyperParameters = ["a.b": 1] }),
            ("hyper_parameters.$a", { $0.hyperParameters = ["$a": 1] }),
            ("hyper_parameters", { $0.hyperParameters = ["": 1] }),
            ("hyper_parameters.deep.$a", { $0.hyperParameters = ["deep": [["$a": 1]]] }),
            ("saved_result_keys", { $0.savedResultKeys = [""] }),
            ("saved_result_keys", { $0.savedResultKeys = ["a", "b", "a"] }),
            ("saved_result_keys", { $0.savedResultKeys = ["a.b"] }),
            ("tags.status", { $0.tags = ["status": "mine"] }),
            ("tags.hub", { $0.tags = ["hub": 1] }),
            ("task_name", { $0.name = "" }),
            ("max_failures", { $0.maxFailures = 0 }),
            ("timeout", { $0.timeout = .zero }),
            ("grace", { $0.grace = .seconds(-1) }),
            ("interpreter", { $0.interpreter = " " }),
            ("files", { $0.files = [TaskFile(path: "../x", data: [])] }),
            ("files", { $0.files = [TaskFile(path: "/x", data: [])] }),
            ("files", { $0.files = [TaskFile(path: "", data: [])] }),
            ("files", { $0.files = [TaskFile(path: "x", data: []), TaskFile(path: "x", data: [])] }),
            ("files", { $0.files = [TaskFile(path: "x", data: []), TaskFile(path: "x/y", data: [])] }),
        ]
        for (index, entry) in faults.enumerated() {
            let error = fault(entry.change)
            #expect(error?.code == .invalidInput, "fault \(index)")
            #expect(error?.field == entry.field, "fault \(index): \(error?.message ?? "accepted")")
        }
    }
}
