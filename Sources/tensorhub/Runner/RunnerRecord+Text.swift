import BSON
import Console
import TensorHub

extension RunnerRecord {
    /// What it does, and what it was asked for and does not do yet.
    var stateText: String {
        guard let control, state != .stopped, state != .lost else { return state.rawValue }
        switch (control.request, state) {
        case (.drain, .draining), (.drain, .drained), (.pause, .paused), (.resume, .running), (.stop, .stopping),
            (_, .stopping):
            return state.rawValue
        default:
            return "\(state) (asked to \(control.request.rawValue))"
        }
    }

    /// Why it has paused itself, and what ends that; `nil` where it has not.
    var pauseText: String? {
        guard state == .paused, let control, control.request == .pause, let reason = control.reason else { return nil }
        let name = name ?? "\(id)"
        return "\(name) has paused itself: \(reason); `tensorhub runner resume \(name)` has it go on"
    }

    /// `gpu-2 has no module torch, which 6 attempts needed`; a line for each.
    var lackTexts: [String] {
        lacks.map { "\(name ?? "\(id)") has \($0.what), which \(counted($0.count, "attempt")) needed" }
    }

    /// `4`, or `3+1 blocked` where one is out of service.
    var slotsText: String { blocked == 0 ? "\(slots)" : "\(slots - blocked)+\(blocked) blocked" }

    /// The document with the state as it is seen from here: `lost` is in no document.
    var shown: BSONDocument {
        var document = document
        document["state"] = .string(state.rawValue)
        if let silence { document["silence"] = .double(silence / .seconds(1)) }
        return document
    }
}

extension RunnerRefusal {
    /// `claims: MongoDB user gpu1 may not update Task (since 2024-02-29T12:00:00Z)`.
    var words: String {
        let what = task.map { "task \($0)" } ?? kind.rawValue
        return "\(what): \(text)" + (since.map { " (since \($0.shownText))" } ?? "")
    }
}

extension RunnerControl {
    /// `drain until 2024-02-29T12:00:00Z by ann`.
    var words: String {
        request.rawValue + (deadline.map { " until \($0.shownText)" } ?? "") + (by.map { " by \($0)" } ?? "")
            + " at \(time.shownText)" + (reason.map { " by itself: \($0)" } ?? "")
    }
}
