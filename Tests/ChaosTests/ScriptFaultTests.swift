import Chaos
import TestSupport
import Testing

/// Scripts that do harm to their own attempts and supervisors: nobody else notices, and what they do is counted.
@Suite struct ScriptFaultTests {
    @Test func `Scripts that change modes and journals take no neighbour with them`() async throws {
        #expect(try await damage(by: FaultPlan(.modes, victims: 16), shared) == [])
    }

    @Test(arguments: [0, 1] as [UInt64])
    func `A daemon that starts among changed modes takes up all that is in order`(_ choice: UInt64) async throws {
        #expect(try await damage(by: FaultPlan(.modesKill, leases: 0.2, choice: choice, victims: 4), shared) == [])
    }

    @Test func `A script that stops its supervisor is stopped by its limit or a cancel all the same`() async throws {
        #expect(try await damage(by: FaultPlan(.supervisorStop, victims: 6), shared) == [])
    }

    @Test func `A script that signals its supervisor does not go round uncounted`() async throws {
        #expect(try await damage(by: FaultPlan(.supervisorSignals, victims: 8), shared) == [])
    }

    @Test func `Queries of a script that keep MongoDB busy cost no runner its leases`() async throws {
        #expect(try await damage(by: FaultPlan(.scriptQueries), ChaosTrial.Options()) == [])
    }

    private var shared: ChaosTrial.Options {
        var options = ChaosTrial.Options()
        options.deployment = .shared
        return options
    }
}
