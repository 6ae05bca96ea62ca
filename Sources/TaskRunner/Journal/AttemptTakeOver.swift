package import BSON
package import Files
import Glibc
import TensorHub

/// What the runners of this machine that are dead have left, as the next one finds it on the disk and among the
/// processes. Calls block: for pool threads only.
package struct AttemptTakeOver: Sendable {
    /// Written down as this runner's.
    package var attempts: [(directory: AttemptDirectory, claim: AttemptClaim)] = []
    /// The disk does not tell whose they are: MongoDB has to.
    package var damaged: [DamagedAttempt] = []
    /// The runners whose signs were here.
    package var dead: Set<ObjectID> = []
    package var hasNeighbours = false

    /// Takes what belongs to the same project and database, so that no other runner takes it too.
    ///
    /// - Parameter database: As ``AttemptClaim/database`` has it.
    package static func find(
        from attempts: String,
        by runner: ObjectID,
        _ presence: RunnerPresence,
        project: String,
        database: String,
        damage: DamagedThings
    ) throws(FileError) -> AttemptTakeOver {
        try presence.withOthers { (others) throws(FileError) in
            var found = AttemptTakeOver(dead: others.dead, hasNeighbours: !others.living.isEmpty)
            // Before the directories: an attempt that begins meanwhile is in neither.
            let processes = try AttemptSurvivors.directories(in: attempts, project: project)
            let all = try damage.folder(attempts)
            let directories = try AttemptDirectory.existing(in: attempts)
            for directory in directories {
                directory.restoreModes(in: all, damage)
                switch try directory.owner(in: all) {
                case .claim(var claim):
                    guard claim.project.bytes == project.bytes, claim.database == database,
                        !others.living.contains(claim.runner)
                    else { continue }
                    if claim.runner != runner {
                        if !others.dead.contains(claim.runner), try presence.isHolding(claim.runner) { continue }
                        claim.formerRunners.append(claim.runner)
                        claim.runner = runner
                        do throws(FileError) { try directory.write(claim) } catch {
                            if error.mayPass { throw error }
                            found.damaged.append(DamagedAttempt(directory: directory, reason: error.description))
                            continue
                        }
                    }
                    found.attempts.append((directory, claim))
                case .nobody:
                    // What a start or a removal left that was cut short; a living neighbour may be at it just now.
                    if processes.contains(directory) {
                        // They were there before the directory was looked at, and a claim before them.
                        found.damaged.append(
                            DamagedAttempt(directory: directory, reason: "its journal is empty", mayBeRemains: true)
                        )
                    } else if others.living.isEmpty {
                        directory.removeRemains(damage)
                    }
                case .unknown(let reason, let mayBeRemains):
                    found.damaged.append(
                        DamagedAttempt(directory: directory, reason: reason, mayBeRemains: mayBeRemains)
                    )
                }
            }
            for directory in processes.subtracting(directories) {
                found.damaged.append(
                    DamagedAttempt(directory: directory, reason: "its directory is gone", isGone: true)
                )
            }
            for index in found.damaged.indices {
                found.damaged[index].isAlive = processes.contains(found.damaged[index].directory)
            }
            return found
        }
    }
}

extension AttemptDirectory {
    /// Whose a directory is.
    enum Owner {
        case claim(AttemptClaim)
        /// No script has ever run in it, or what it came to is in MongoDB.
        case nobody
        /// Something has damaged what would tell.
        case unknown(String, mayBeRemains: Bool = false)
    }

    /// - Throws: Where the machine is too short of something to tell.
    func owner(in all: borrowing LocalFolder) throws(FileError) -> Owner {
        do throws(FileError) {
            let folder = try LocalFolder(name, in: all)
            var status = stat()
            if fstatat(folder.descriptor, "journal", &status, AT_SYMLINK_NOFOLLOW) != 0, errno == ENOENT {
                return .unknown("its journal is gone", mayBeRemains: true)
            }
            let journal = try LocalFolder("journal", in: folder)
            guard let bytes = try journal.read("claim.json", limit: 1 << 20) else {
                let began = ["claim.json", "pids.json", "output.log", "exit.json"].first { name in
                    var status = stat()
                    return fstatat(journal.descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0
                }
                guard let began else { return .nobody }
                let isGone = began != "claim.json"
                return .unknown(isGone ? "claim.json is gone" : "claim.json is no file", mayBeRemains: isGone)
            }
            guard let claim = (try? BSONDocument(extendedJSON: bytes)).flatMap(AttemptClaim.init) else {
                return .unknown(
                    "claim.json " + (bytes.isEmpty ? "is empty" : "cannot be read as what a runner has written")
                )
            }
            guard claim.id == id else {
                return .unknown("claim.json is that of another attempt")
            }
            return .claim(claim)
        } catch {
            if error.mayPass { throw error }
            return .unknown(error.description)
        }
    }

    /// Whether it is there and its journal is, neither of them a link or a file.
    var isFolder: Bool {
        var (status, journal) = (stat(), stat())
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            && (lstat(journalPath, &journal) != 0 || journal.st_mode & S_IFMT == S_IFDIR)
    }

    /// Gives back the rights that a script has taken from us, to the directory and to what is ours in it.
    func restoreModes(in all: borrowing LocalFolder, _ damage: DamagedThings) {
        var count = GuardedPath.restoreRights(name, in: all.descriptor) ? 1 : 0
        guard let folder = try? LocalFolder(name, in: all) else { return }
        if GuardedPath.restoreRights("journal", in: folder.descriptor) { count += 1 }
        if let journal = try? LocalFolder("journal", in: folder) {
            count += journal.restoreModes(depth: Self.journalDepth)
        }
        if count > 0 {
            damage.note(path, "a script had taken our rights to it away; they are back (\(count) files and folders)")
        }
    }

    /// `kept/<name>/<file>`.
    private static let journalDepth = 3

    /// A directory in which nothing ran. One that cannot be removed is set aside.
    func removeRemains(_ damage: DamagedThings) {
        do throws(FileError) { try remove() } catch { damage.setAside(path, error.description) }
    }

    /// Moves the directory to `<state>/lost/`, out of the way of further attempts.
    func keepForInspection(_ damage: DamagedThings) throws(FileError) -> String {
        let kept = try damage.moveToLost(path)
        // Without it, nobody takes it for an attempt again, and no supervisor that comes late begins. A link in the
        // place of the journal leads to somebody else's.
        let name = GuardedPath.split(kept).name
        if let lost = try? LocalFolder("\(parent)/../lost"), let folder = try? LocalFolder(name, in: lost),
            let journal = try? LocalFolder("journal", in: folder)
        {
            unlinkat(journal.descriptor, "claim.json", 0)
        }
        return kept
    }
}

extension LocalFolder {
    /// Gives back what is missing of our rights to what is in it. Returns to how many files and folders.
    fileprivate func restoreModes(depth: Int) -> Int {
        guard let names = try? names() else { return 0 }
        var count = 0
        for name in names {
            var status = stat()
            guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            let isFolder = status.st_mode & S_IFMT == S_IFDIR
            let needed: mode_t = isFolder ? 0o700 : 0o600
            if status.st_mode & needed != needed, GuardedPath.restoreRights(name, in: descriptor) { count += 1 }
            if isFolder, depth > 1, let folder = try? LocalFolder(name, in: self) {
                count += folder.restoreModes(depth: depth - 1)
            }
        }
        return count
    }
}
