package import BSON
import CLinux
package import Files
import Glibc
import Synchronization
import TensorHub

/// The sign on this machine that a runner lives: `<state>/runners/<id>`, locked until its process ends, however it
/// ends. So the next runner can tell attempts that nobody looks after from those of a living neighbour in the same
/// directory. Calls block: for pool threads only.
///
/// A script may remove such a file or put something else in its place. Then the process itself is looked for: it has
/// the file open, whatever has become of the name. And every runner makes its file again where it is gone.
package final class RunnerPresence: Sendable {
    private let folder: String
    private let runner: ObjectID
    private let damage: DamagedThings
    private let file: Mutex<Int32>

    package init(
        stateDirectory: String,
        runner: ObjectID,
        damage: DamagedThings? = nil
    ) throws(FileError) {
        let damage = damage ?? DamagedThings(stateDirectory: stateDirectory)
        folder = "\(stateDirectory)/runners"
        self.runner = runner
        self.damage = damage
        _ = try damage.folder(folder)
        file = Mutex(try Self.lock("\(folder)/\(runner)", damage))
    }

    deinit {
        unlink("\(folder)/\(runner)")
        file.withLock { _ = close($0) }
    }

    /// Makes the sign again where a script has removed it, or put something else in its place.
    package func renew() throws(FileError) {
        let path = "\(folder)/\(runner)"
        var (held, named) = (stat(), stat())
        let isThere = file.withLock { fstat($0, &held) } == 0 && lstat(path, &named) == 0
        if isThere, held.st_ino == named.st_ino, held.st_dev == named.st_dev { return }
        _ = try damage.folder(folder)
        // Nobody looks for runners meanwhile.
        let turn = try takeTurn()
        defer { close(turn) }
        if isThere { damage.setAside(path, "it is not the lock of the runner that it names") }
        let new = try Self.lock(path, damage)
        damage.note(path, "the lock of a living runner was gone, and was made again")
        let old = file.withLock { file in
            defer { file = new }
            return file
        }
        close(old)
    }

    /// What is found of other runners.
    package struct Others: Sendable {
        package var living: Set<ObjectID> = []
        /// Their locks are here, and nobody holds them.
        package var dead: Set<ObjectID> = []
    }

    /// Has the body look at the runners of this machine and take over what the dead ones have left, while nobody else
    /// does. Their signs go away afterwards: what they left must be written down as somebody's before the body returns.
    package func withOthers<Value>(
        _ body: (Others) throws(FileError) -> Value
    ) throws(FileError) -> Value {
        let turn = try takeTurn()
        defer { close(turn) }
        var others = Others()
        var locks: [Int32] = []
        defer { for lock in locks { close(lock) } }
        for id in try damage.folder(folder).names().compactMap({ ObjectID($0) }) where id != runner {
            switch try sign(of: id) {
            case .locked: others.living.insert(id)
            case .free(let lock):
                others.dead.insert(id)
                locks.append(lock)
            case .gone: break
            case .odd(let reason):
                if try isHolding(id) {
                    others.living.insert(id)
                } else {
                    others.dead.insert(id)
                    damage.setAside("\(folder)/\(id)", reason)
                }
            }
        }
        let result = try body(others)
        for id in others.dead { unlink("\(folder)/\(id)") }
        return result
    }

    /// Whether a runner that has been here lives: this one, or a neighbour.
    package func isLiving(_ id: ObjectID) -> Bool {
        if id == runner { return true }
        // Whoever looks for attempts without a runner at the same time must not find that lock taken by us.
        guard let turn = try? takeTurn() else { return true }
        defer { close(turn) }
        do throws(FileError) {
            switch try sign(of: id) {
            case .locked: return true
            case .free(let lock):
                close(lock)
                return false
            case .gone, .odd: return try isHolding(id)
            }
        } catch {
            // For want of descriptors it cannot be told.
            return true
        }
    }

    /// The same for one whose sign nobody has found: its name may have been removed.
    func isHolding(_ id: ObjectID) throws(FileError) -> Bool {
        try RunnerHolders.find(besides: getpid()).contains(id)
    }

    private enum Sign {
        case locked
        /// Locked by us now.
        case free(Int32)
        case gone
        case odd(String)
    }

    /// - Throws: Where the machine is too short of something to tell.
    private func sign(of id: ObjectID) throws(FileError) -> Sign {
        let path = "\(folder)/\(id)"
        do throws(FileError) {
            let file = try Self.openFile(path, O_RDWR, damage)
            if (try? OpenFile.lock(file, path)) == true { return .free(file) }
            close(file)
            return .locked
        } catch {
            if error.mayPass { throw error }
            return error.number == ENOENT ? .gone : .odd(error.description)
        }
    }

    private func takeTurn() throws(FileError) -> Int32 {
        let path = "\(folder)/.heir"
        let turn: Int32
        do throws(FileError) { turn = try Self.openFile(path, O_RDWR | O_CREAT, damage) } catch {
            if error.mayPass { throw error }
            _ = try damage.folder(folder)
            damage.setAside(path, error.description)
            turn = try Self.openFile(path, O_RDWR | O_CREAT, damage)
        }
        return try Self.lock(turn, path, isWaiting: true)
    }

    private static func lock(_ path: String, _ damage: DamagedThings) throws(FileError) -> Int32 {
        try lock(try openFile(path, O_RDWR | O_CREAT, damage), path)
    }

    private static func lock(_ file: Int32, _ path: String, isWaiting: Bool = false) throws(FileError) -> Int32 {
        do throws(FileError) {
            if try OpenFile.lock(file, path, isWaiting: isWaiting) { return file }
            throw FileError("lock", path, EWOULDBLOCK)
        } catch {
            close(file)
            throw error
        }
    }

    private static func openFile(
        _ path: String,
        _ flags: Int32,
        _ damage: DamagedThings
    ) throws(FileError) -> Int32 {
        do throws(FileError) {
            return try StateFolder(around: StateFolder.parent(path)).openRegular(path, flags)
        } catch {
            guard error.number == EACCES, damage.restoreMode(path) else { throw error }
            return try StateFolder(around: StateFolder.parent(path)).openRegular(path, flags)
        }
    }
}

/// The processes behind the signs of runners: a runner has its file open for as long as it lives.
enum RunnerHolders {
    /// The runners whose files a process of this user has open.
    ///
    /// - Throws: Where the machine is too short of something to tell.
    static func find(besides own: pid_t) throws(FileError) -> Set<ObjectID> {
        var found: Set<ObjectID> = []
        for pid in try LocalFolder("/proc").names().compactMap({ Int32($0) }) where pid != own {
            do throws(FileError) {
                let files = try LocalFolder("/proc/\(pid)/fd")
                for file in try files.names() { if let id = runner(file, in: files) { found.insert(id) } }
            } catch {
                if error.mayPass { throw error }
                // It has ended, or is another user's.
            }
        }
        return found
    }

    private static func runner(_ file: String, in files: borrowing LocalFolder) -> ObjectID? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlinkat(files.descriptor, file, &buffer, buffer.count)
        guard count > 0 else { return nil }
        // "<path> (deleted)" where the name is gone.
        let text = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let path = text.bytes.dropping(end: " (deleted)") ?? text
        return ObjectID(GuardedPath.split(path).name)
    }
}
