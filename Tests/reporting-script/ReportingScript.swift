import BSON
import Glibc
import ScriptClient

/// A script in Swift, as a user writes one: reports `count` steps and leaves the number as a result.
@main
struct ReportingScript {
    static func main() async throws {
        try await Attempt.run { attempt in
            let count = attempt.hyperParameters["count"]?.intValue ?? 0
            for step in 0..<count {
                try attempt.report(["step": .init(smallest: step)])
                // Not all at once: its daemon is to die in the middle.
                if step % 100 == 99 { usleep(10_000) }
            }
            try await attempt.saveResults(["steps": .init(smallest: count)])
        }
    }
}
