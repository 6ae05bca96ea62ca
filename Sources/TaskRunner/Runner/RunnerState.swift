import BSON
import TensorHub

/// Who occupies the slots and what is to be stopped: decisions only, no input or output.
struct RunnerState: Sendable {
    enum Phase: Int, Sendable, Comparable {
        /// Claims and runs.
        case running
        /// Claims nothing more; what runs may end.
        case draining
        /// Stops the scripts with grace; their tasks go back to pending.
        case releasing
        /// Stops the scripts at once; their tasks go back to pending.
        case killing

        static func < (lhs: Phase, rhs: Phase) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    /// What somebody asked for from afar, beside the ladder of signals. Unlike the ladder it can be taken back.
    enum Intake: Sendable {
        case open
        /// Claims nothing; what runs goes on.
        case paused
        /// Claims nothing more, and stays when all has ended.
        case draining
        /// Claims nothing more, and ends when all has ended.
        case stopping
    }

    var slots: Int
    /// A claim is under way: what it gets is not among the attempts yet.
    var isClaiming = false
    private(set) var phase: Phase = .running
    private(set) var intake: Intake = .open
    /// Whether the deadline of the drain has passed: what runs, or was claimed in that moment, is given back.
    private(set) var isReleasing = false
    /// This process is to end and leave what runs to the next one; nothing is claimed any more.
    var isHandingOver = false
    /// The request that it has obeyed last: a request is heard again with every heartbeat.
    private var obeyed: RunnerControl?
    /// Every attempt under a lease, also one whose script has ended and whose end is not reported yet.
    private(set) var attempts: [AttemptID: AttemptControl] = [:]
    /// Attempts that take a slot.
    private(set) var occupied = 0
    /// Attempts whose processes survive SIGKILL.
    private(set) var blocked: Set<AttemptID> = []
    /// Attempts that ended since the start.
    private(set) var done = 0
    /// Tasks that change events named since the last claim.
    private var hints: [ObjectID] = []
    /// Whether the last look at the queue found less than there was room for.
    private(set) var queueIsEmpty = false

    /// More named tasks than this are no hint: the queue itself is asked.
    static let hintLimit = 64

    init(slots: Int) {
        self.slots = slots
    }

    /// Slots to claim for: none while too many ends wait for MongoDB.
    var free: Int {
        mayClaim && attempts.count - occupied < unreportedLimit ? max(0, slots - occupied) : 0
    }

    /// Whether nobody has asked for an end or a pause.
    var mayClaim: Bool { !isStopping && intake == .open }
    /// Whether this process is to end.
    var isStopping: Bool { phase > .running || isHandingOver }

    /// Ended attempts whose ends may wait to be reported while others are claimed.
    var unreportedLimit: Int { 4 * slots + 16 }
    var isDone: Bool { (phase > .running || intake == .stopping) && attempts.isEmpty }
    /// How an attempt that was claimed just now is to be treated.
    var urgency: Phase { isReleasing ? max(phase, .releasing) : phase }

    /// What the runner does, as others see it: it is neither paused nor drained while a claim is under way.
    var activity: RunnerRecord.State {
        if isStopping || intake == .stopping { return .stopping }
        switch intake {
        case .open: return .running
        case .paused: return isClaiming ? .running : .paused
        case .draining, .stopping: return attempts.isEmpty && !isClaiming ? .drained : .draining
        }
    }

    /// Returns the earlier attempts of the same task that are still here: that there is a newer one says that they are
    /// lost.
    @discardableResult
    mutating func add(_ id: AttemptID, _ control: AttemptControl) -> [AttemptControl] {
        attempts[id] = control
        occupied += 1
        return attempts.filter { $0.key.task == id.task && $0.key.number < id.number }.map(\.value)
    }

    /// The script is dead: its slot is free, its lease is still needed.
    mutating func freeSlot() {
        occupied -= 1
    }

    mutating func remove(_ id: AttemptID) {
        attempts[id] = nil
        done += 1
    }

    mutating func block(_ id: AttemptID) { blocked.insert(id) }
    mutating func unblock(_ id: AttemptID) { blocked.remove(id) }

    mutating func note(_ id: ObjectID) {
        if hints.count <= Self.hintLimit { hints.append(id) }
    }

    /// What to ask the server next.
    enum Look: Equatable {
        /// These tasks by identifier: the queue was empty and they are new.
        case hinted([ObjectID])
        /// The head of the queue, at most so many.
        case queue(Int)
        case nothing
    }

    /// Takes the hints. `force`: somebody says that there may be more in the queue than the events told.
    mutating func look(force: Bool) -> Look {
        let named = hints
        hints = []
        if free == 0 {
            // Somebody must look once a slot is free.
            if !named.isEmpty || force { queueIsEmpty = false }
            return .nothing
        }
        if !queueIsEmpty || force || named.count > free { return .queue(free) }
        return named.isEmpty ? .nothing : .hinted(named)
    }

    mutating func found(queueIsEmpty: Bool) {
        self.queueIsEmpty = queueIsEmpty
    }

    /// The next step of the ladder, or those up to one that is not behind. Returns what must be told to the attempts.
    mutating func escalate(to wanted: Phase? = nil) -> (phase: Phase, controls: [AttemptControl]) {
        phase = wanted.map { max(phase, $0) } ?? Phase(rawValue: phase.rawValue + 1) ?? .killing
        return (phase, Array(attempts.values))
    }

    /// Does what is asked from afar. Returns whether it is new.
    mutating func obey(_ control: RunnerControl) -> Bool {
        if control == obeyed { return false }
        obeyed = control
        isReleasing = false
        switch control.request {
        case .resume: intake = .open
        case .pause: intake = .paused
        case .drain: intake = .draining
        case .stop: intake = .stopping
        }
        return true
    }

    /// Claims nothing any more, until somebody has it resume. Returns whether it did until now.
    mutating func pauseItself() -> Bool {
        guard intake == .open else { return false }
        intake = .paused
        return true
    }

    /// The deadline of that request has passed. Returns what is to be given back; nothing where it was asked otherwise
    /// meanwhile.
    mutating func release(atDeadlineOf control: RunnerControl) -> [AttemptControl] {
        guard control == obeyed, intake == .draining || intake == .stopping, !isReleasing else { return [] }
        isReleasing = true
        return Array(attempts.values)
    }

    /// The newest attempt of each task under a lease.
    var leases: Set<AttemptID> {
        let newest = Dictionary(attempts.keys.map { ($0.task, $0) }) { $0.number < $1.number ? $1 : $0 }
        return Set(newest.values)
    }
}
