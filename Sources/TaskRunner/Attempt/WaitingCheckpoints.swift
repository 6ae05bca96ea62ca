import BSON
import Files
import Glibc

/// `<state>/checkpoints`: what waits there for the next attempt of a task on this machine, seen as a whole. A task that
/// goes on elsewhere, or not at all, never comes for what it has left. Several runners, even of different databases,
/// may share the folder. Blocking calls: for pool threads only.
struct WaitingCheckpoints: Sendable {
    static let folderName = "checkpoints"

    let path: String
    private let state: StateFolder

    init(stateDirectory: String) {
        state = StateFolder(stateDirectory)
        path = "\(stateDirectory)/\(Self.folderName)"
    }

    /// What a task that this database does not know has left may be another database's. After so long it goes: where it
    /// is wanted after all, it comes from MongoDB.
    static let strangerLimit: Duration = .seconds(7 * 24 * 3600)

    /// A checkpoint that a runner is bringing here.
    static func arrivalName(of task: ObjectID, _ runner: ObjectID) -> String { ".\(task).\(runner)" }

    /// Tasks with a checkpoint here.
    func tasks() throws(FileError) -> Set<ObjectID> { Set(try names().compactMap(Self.task)) }

    /// Removes what runners that are gone were bringing here.
    func removeBrokenOff(_ damage: DamagedThings, isLiving: (ObjectID) -> Bool) throws(FileError) {
        for name in try names() where name.bytes.hasPrefix(".") {
            let runner = name.bytes.split(separator: ".").last.flatMap { ObjectID($0.text) }
            if let runner, isLiving(runner) { continue }
            remove(name, damage)
        }
    }

    /// Removes the checkpoints of some tasks.
    ///
    /// - Parameter age: Only what has been here for so long.
    func remove(
        _ tasks: Set<ObjectID>,
        olderThan age: Duration = .zero,
        _ damage: DamagedThings
    ) throws(FileError) {
        for name in try names() {
            guard let task = Self.task(name), tasks.contains(task) else { continue }
            // A rename sets the time.
            guard let status = try state.open(path).status(name),
                age == .zero || Int64(time(nil) - status.st_ctim.tv_sec) > age.components.seconds
            else { continue }
            remove(name, damage)
        }
    }

    /// One that cannot be removed keeps none of the others.
    private func remove(_ name: String, _ damage: DamagedThings) {
        do throws(FileError) { try state.open(path).removeTree(name) } catch {
            damage.setAside("\(path)/\(name)", "it cannot be removed: \(error.description)")
        }
    }

    private func names() throws(FileError) -> [String] {
        do throws(FileError) { return try state.open(path).names() } catch {
            if error.number == ENOENT { return [] }
            throw error
        }
    }

    private static func task(_ name: String) -> ObjectID? {
        name.bytes.hasPrefix(".") ? nil : name.bytes.split(separator: ".").first.flatMap { ObjectID($0.text) }
    }
}
