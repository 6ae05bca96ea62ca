import BSON

/// `pids.json`: the two processes of an attempt, so that a restarted runner finds them and nobody else.
package struct AttemptProcesses: Sendable, Equatable {
    package struct Identity: Sendable, Equatable {
        package var pid: Int32
        /// Clock ticks since boot: with the pid, it names one process.
        package var start: UInt64
    }

    package var supervisor: Identity
    package var script: Identity
    /// Pids of another boot mean nothing.
    package var bootID: String
    /// The inode of the supervisor's journal: a script may have given the folder's name to another one.
    package var journal: UInt64?

    init?(json: [UInt8]) {
        guard let document = try? BSONDocument(extendedJSON: json, options: .init(plain: true)),
            let supervisor = Identity(document["supervisor"]), let script = Identity(document["script"]),
            let bootID = document["boot_id"]?.stringValue
        else { return nil }
        self.supervisor = supervisor
        self.script = script
        self.bootID = bootID
        journal = document["journal"]?.intValue.flatMap { UInt64(exactly: $0) }
    }
}

extension AttemptProcesses.Identity {
    fileprivate init?(_ value: BSONValue?) {
        guard let document = value?.documentValue,
            let pid = document["pid"]?.intValue.flatMap({ Int32(exactly: $0) }), pid > 0,
            let start = document["start"]?.intValue.flatMap({ UInt64(exactly: $0) })
        else { return nil }
        self.pid = pid
        self.start = start
    }
}
