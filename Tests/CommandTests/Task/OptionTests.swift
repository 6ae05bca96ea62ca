import TestSupport
import Testing

@testable import TensorHub

/// The table of options, against every place that shows them.
@Suite struct OptionTests {
    @Test func `Every door knows every option, and says so of an option that it does not know`() async throws {
        try await withCommands { fixture in
            // Type and place are those of a real option: only the table has this one.
            let invented = TaskOption("memory", .duration(\.stall))
            for door in OptionDoor.all(fixture) {
                let missing = try await door.missing(TaskOption.all)
                #expect(missing == [], "\(door.name) lacks \(missing)")
                let found = try await door.missing(TaskOption.all + [invented])
                #expect(found.count == 1 && found.first?.hasPrefix("memory") == true, "\(door.name) does not miss it")
            }
        }
    }
}
