import BSON
import Files
import Glibc
package import Logging
import Synchronization

/// What a runner finds damaged on its machine. Scripts run as its own user, so nothing below the state directory is
/// safe from them, nor from a power cut. Where only rights are missing they are given back; anything else is set aside
/// in `<state>/lost`, so that it is in nobody's way. Either is named in the log, and counted. Calls block: for pool
/// threads only.
package final class DamagedThings: Sendable {
    private let stateDirectory: String
    private let logger: Logger
    private let found = Mutex<(count: Int, told: Set<ByteString>)>((0, []))

    package init(stateDirectory: String, logger: Logger = Logger(label: "damage") { _ in SwiftLogNoOpLogHandler() }) {
        self.stateDirectory = stateDirectory
        self.logger = logger
    }

    /// How many there were since the start.
    package var count: Int { found.withLock { $0.count } }

    /// What is set aside is for people to look at: so many, the newest.
    static let keptLimit = 20

    private var lostFolder: String { "\(stateDirectory)/lost" }

    /// Tells of something that is damaged, whatever is done about it; what cannot be helped, once.
    ///
    /// - Parameter kept: Where it is now.
    func note(_ path: String, _ reason: String, kept: String? = nil) {
        let count = found.withLock { found -> Int? in
            // What stays is met again and again, and a script may make any number of such things.
            guard kept != nil || found.told.count < 1000 && found.told.insert("\(path): \(reason)".bytes).inserted
            else {
                return nil
            }
            found.count += 1
            return found.count
        }
        guard let count else { return }
        var facts: Logger.Metadata = ["path": "\(path)", "reason": "\(reason)", "damaged": "\(count)"]
        if let kept { facts["kept"] = "\(kept)" }
        logger.error(
            kept == nil
                ? "Damaged; the others are handled all the same" : "Damaged, and set aside; the others are handled",
            metadata: facts
        )
    }

    /// Gives rights back that are missing.
    @discardableResult
    func restoreMode(_ path: String) -> Bool {
        guard GuardedPath.restoreRights(path, in: AT_FDCWD) else { return false }
        let count = found.withLock { found in
            found.count += 1
            return found.count
        }
        logger.warning(
            "Somebody had taken our own rights away; they are back",
            metadata: ["path": "\(path)", "damaged": "\(count)"]
        )
        return true
    }

    /// Moves it into `lost`, and removes what is older there than the newest twenty.
    ///
    /// - Returns: Where it is now; `nil` where it has to stay, or is gone.
    @discardableResult
    func setAside(_ path: String, _ reason: String) -> String? {
        do throws(FileError) {
            let kept = try moveToLost(path)
            note(path, reason, kept: kept)
            return kept
        } catch {
            if error.number != ENOENT { note(path, "\(reason); it cannot be set aside: \(error.description)") }
            return nil
        }
    }

    /// The same without a word, for what is not damaged but of no use any more.
    ///
    /// - Returns: Where it is now.
    func moveToLost(_ path: String) throws(FileError) -> String {
        let name = path.bytes.split(separator: "/").last?.text ?? "unnamed"
        let lost = try folder(lostFolder)
        // Left there before under the same name, or put there by a script.
        do throws(FileError) { try lost.removeTree(name) } catch { note("\(lostFolder)/\(name)", error.description) }
        var status = stat()
        let target = lstat("\(lostFolder)/\(name)", &status) == 0 ? "\(name).\(ObjectID())" : name
        // A folder without rights for its owner cannot be moved.
        GuardedPath.restoreRights(path, in: AT_FDCWD)
        guard rename(path, "\(lostFolder)/\(target)") == 0 else { throw FileError("move", path) }
        removeOld(in: lost)
        return "\(lostFolder)/\(target)"
    }

    private func removeOld(in lost: borrowing LocalFolder) {
        guard let names = try? lost.names(), names.count > Self.keptLimit else { return }
        let kept = names.map { name in
            var status = stat()
            _ = fstatat(lost.descriptor, name, &status, AT_SYMLINK_NOFOLLOW)
            return (name: name, time: status.st_ctim.tv_sec)
        }
        for old in kept.sorted(by: { $0.time > $1.time }).dropFirst(Self.keptLimit) {
            do throws(FileError) { try lost.removeTree(old.name) } catch {
                note("\(lostFolder)/\(old.name)", error.description)
            }
        }
    }

    // MARK: Folders of ours

    /// Sees to the folders that everything needs, after something went wrong and every hour.
    func tendFolders() {
        for name in ["attempts", WaitingCheckpoints.folderName, "runners"] {
            do throws(FileError) { _ = try folder("\(stateDirectory)/\(name)") } catch {
                note("\(stateDirectory)/\(name)", error.description)
            }
        }
        do throws(FileError) { _ = try PythonClientFiles.install(in: stateDirectory, self) } catch {
            note("\(stateDirectory)/python", error.description)
        }
    }

    /// Opens one of the folders directly below the state directory. It is made where it is missing; where something
    /// else is in its place, that is set aside.
    func folder(_ path: String) throws(FileError) -> LocalFolder {
        var first: FileError?
        for _ in 0..<4 {
            do throws(FileError) {
                let folder = try LocalFolder(path)
                // Readable is not enough: names are looked up and made in it.
                if faccessat(folder.descriptor, ".", W_OK | X_OK, 0) == 0 { return folder }
                if errno != EACCES || !restoreMode(path) { return folder }
            } catch {
                first = first ?? error
                switch error.number {
                case ENOENT:
                    if mkdir(path, 0o755) == 0 || (errno != EEXIST && restoreAbove(path)) { continue }
                    // A link that leads nowhere.
                    if errno == EEXIST { moveAway(path, "it is a link that leads nowhere") }
                case EACCES where restoreMode(path) || restoreAbove(path): continue
                case ENOTDIR, ELOOP: moveAway(path, "it is no folder")
                default: throw error
                }
            }
        }
        throw first ?? FileError("open", path, EACCES)
    }

    /// What is in the place of a folder of ours.
    private func moveAway(_ path: String, _ reason: String) {
        if path.bytes != lostFolder.bytes {
            setAside(path, reason)
        } else {
            let target = "\(path).\(ObjectID())"
            if rename(path, target) == 0 { note(path, reason, kept: target) }
        }
    }

    /// The state directory itself, or what is above it.
    private func restoreAbove(_ path: String) -> Bool {
        let parts = path.bytes.split(separator: "/")
        return parts.indices.dropFirst().contains { end in
            restoreMode(parts[..<end].map { "/\($0)" }.joined())
        }
    }
}
