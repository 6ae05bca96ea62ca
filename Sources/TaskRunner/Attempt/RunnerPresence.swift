package import BSON
import CLinux
import Glibc
import Synchronization

/// The sign on this machine that a runner lives: `<state>/runners/<id>`, locked until its process ends, however it ends.
/// So the next runner can tell attempts that nobody looks after from those of a living neighbour in the same directory.
/// Calls block: for pool threads only.
package final class RunnerPresence: Sendable {
    private let folder: String
    private let runner: ObjectID
    private let file: Int32

    package init(stateDirectory: String, runner: ObjectID) throws(AttemptError) {
        folder = "\(stateDirectory)/runners"
        self.runner = runner
        guard mkdir(folder, 0o755) == 0 || errno == EEXIST else { throw .call("make folder", folder) }
        file = try Self.openFile("\(folder)/\(runner)")
        guard tensorhub_lock(file, 0) == 0 else { throw .call("lock", "\(folder)/\(runner)") }
    }

    deinit {
        unlink("\(folder)/\(runner)")
        close(file)
    }

    /// What the attempts of dead runners of the same project and database are now: this runner's, and written down as
    /// such before this returns, so that no other one takes them too.
    ///
    /// - Parameter database: As ``AttemptClaim/database`` has it.
    package func inherit(
        from attempts: String,
        project: String,
        database: String
    ) throws(AttemptError) -> [(directory: AttemptDirectory, claim: AttemptClaim)] {
        // One heir at a time.
        let turn = try Self.openFile("\(folder)/.heir")
        defer { close(turn) }
        guard tensorhub_lock(turn, 1) == 0 else { throw .call("lock", "\(folder)/.heir") }

        let others = try LocalFolder(folder).names().compactMap { ObjectID($0) }.filter { $0 != runner }
        var living: Set<ObjectID> = []
        var dead: [(id: ObjectID, file: Int32)] = []
        defer { for other in dead { close(other.file) } }
        for id in others {
            let file: Int32
            do throws(AttemptError) { file = try Self.openFile("\(folder)/\(id)", flags: O_RDWR) } catch {
                // It has ended meanwhile. Of one that cannot be asked nothing may be taken.
                if error.systemError == ENOENT { continue }
                throw error
            }
            if tensorhub_lock(file, 0) == 0 {
                dead.append((id, file))
            } else {
                close(file)
                living.insert(id)
            }
        }
        var inherited: [(AttemptDirectory, AttemptClaim)] = []
        for directory in try AttemptDirectory.existing(in: attempts) {
            guard var claim = try directory.claim() else {
                // What a start or a removal left that was cut short; a living neighbour may be at it just now.
                if living.isEmpty { try? directory.remove() }
                continue
            }
            guard claim.project == project, claim.database == database, !living.contains(claim.runner) else { continue }
            if claim.runner != runner {
                claim.formerRunners.append(claim.runner)
                claim.runner = runner
                try directory.write(claim)
            }
            inherited.append((directory, claim))
        }
        for other in dead { unlink("\(folder)/\(other.id)") }
        return inherited
    }

    /// Whether a runner that has been here lives: this one, or a neighbour.
    func isLiving(_ id: ObjectID) -> Bool {
        if id == runner { return true }
        // Whoever looks for attempts without a runner at the same time must not find that lock taken by us.
        guard let turn = try? Self.openFile("\(folder)/.heir") else { return true }
        defer { close(turn) }
        guard tensorhub_lock(turn, 1) == 0 else { return true }
        // For want of descriptors it cannot be told.
        guard let file = try? Self.openFile("\(folder)/\(id)", flags: O_RDWR) else {
            return access("\(folder)/\(id)", F_OK) == 0
        }
        defer { close(file) }
        return tensorhub_lock(file, 0) != 0
    }

    private static func openFile(_ path: String, flags: Int32 = O_RDWR | O_CREAT) throws(AttemptError) -> Int32 {
        let file = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw .call("open", path) }
        return file
    }
}
