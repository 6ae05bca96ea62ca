import BSON

/// `exit.json` as the supervisor writes it when the script has ended.
package struct ExitRecord: Sendable, Equatable {
    /// Exit status of the script; nil when a signal ended it or it never ran.
    package var exit: Int32?
    package var signal: Int32?
    /// Why it could not be started, or not be killed.
    package var error: String?
    /// errno when `error` is about the start.
    package var startError: Int32?
    /// Why the supervisor stopped it: `timeout`, `stall` or `request`.
    package var stopped: String?
    /// It was killed while the kernel killed for want of memory.
    package var isOutOfMemory = false
    /// From start to end of the script.
    package var duration: Duration = .zero
    /// Bytes that the largest process of the attempt had resident.
    package var peakMemory: Int64 = 0
    package var userTime: Double = 0
    package var systemTime: Double = 0
    /// All that the script printed.
    package var outputBytes: Int64 = 0
    /// Where what is on disk ends; less than ``outputBytes`` when the disk was full.
    package var outputStored: Int64 = 0
    package var outputError: String?
    /// The middle of the output that was given up.
    package var outputGap: Range<Int64>?
    /// Processes that not even SIGKILL ended: the kernel holds them.
    package var survivors: [Int32] = []
    /// Whether any were left; the supervisor may have been unable to tell which.
    package var hasSurvivors = false

    /// No number of bytes is larger: a script may have written the file itself.
    private static let mostBytes: Int64 = 1 << 60

    /// Nil for anything but an object of JSON.
    package init?(json: [UInt8]) {
        guard let document = try? BSONDocument(extendedJSON: json, options: .init(plain: true)) else { return nil }
        func integer(_ key: String) -> Int64? { document[key]?.intValue.map(Int64.init) }
        exit = integer("exit").flatMap { Int32(exactly: $0) }
        signal = integer("signal").flatMap { Int32(exactly: $0) }
        error = document["error"]?.stringValue
        startError = integer("errno").flatMap { Int32(exactly: $0) }
        stopped = document["stopped"]?.stringValue
        isOutOfMemory = document["out_of_memory"]?.boolValue ?? false
        let seconds = document["duration"]?.doubleValue ?? 0
        duration = .seconds(seconds.isFinite ? min(max(seconds, 0), 1e9) : 0)
        func bytes(_ key: String) -> Int64? { integer(key).map { min(max($0, 0), Self.mostBytes) } }
        peakMemory = bytes("peak_memory") ?? 0
        userTime = document["user_time"]?.doubleValue ?? 0
        systemTime = document["system_time"]?.doubleValue ?? 0
        outputBytes = bytes("output_bytes") ?? 0
        outputStored = min(bytes("output_stored") ?? outputBytes, outputBytes)
        outputError = document["output_error"]?.stringValue
        if let gap = document["output_gap"]?.documentValue, let from = gap["from"]?.intValue,
            let to = gap["to"]?.intValue,
            from <= to
        {
            outputGap = Int64(from)..<Int64(to)
        }
        hasSurvivors = document["survivors"] != nil
        survivors = (document["survivors"]?.arrayValue ?? []).compactMap { $0.intValue.flatMap { Int32(exactly: $0) } }
    }
}
