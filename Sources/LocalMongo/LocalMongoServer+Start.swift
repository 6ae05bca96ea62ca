import BSON
import Files
import Glibc
import Logging
import MongoDriver

extension LocalMongoServer {
    /// Initiates the replica set, or tells one from an earlier start its new port; then waits for the primary.
    static func makePrimary(
        _ port: Int,
        _ login: String?,
        process: MongodProcess,
        dataDirectory: String,
        logger: Logger?
    ) async throws {
        var options = MongoClient.Options()
        options.threads = 1
        options.serverSelectionTimeout = .seconds(1)
        options.applicationName = "tensorhub-local"
        let user = login.map { "\($0)@" } ?? ""
        let uri = "mongodb://\(user)127.0.0.1:\(port)/?directConnection=true"
        let client = try MongoClient(uri: uri, options: options)
        let admin = client.database("admin")
        let address = "127.0.0.1:\(port)"
        let clock = ContinuousClock()
        let deadline = clock.now + startLimit
        var lastAnswer = "it did not answer"
        do {
            while true {
                try Task.checkCancellation()
                guard process.status == nil else {
                    throw LocalMongoError(
                        .startFailed,
                        "mongod ended at once: \(lastFault(dataDirectory)) (see \(logPath(dataDirectory)))"
                    )
                }
                do {
                    if try await becomePrimary(admin, address: address), try await isOurs(admin, process) { break }
                    lastAnswer = "it is not the primary yet"
                } catch {
                    lastAnswer = "\(error)"
                }
                guard clock.now < deadline else {
                    throw LocalMongoError(
                        .notReady,
                        "\(lastAnswer) after \(startLimit) (see \(logPath(dataDirectory)))"
                    )
                }
                try await Task.sleep(for: .milliseconds(20))
            }
        } catch {
            await client.close()
            throw error
        }
        await client.close()
    }

    /// One step on the way; `true` once the server takes writes at our address.
    private static func becomePrimary(_ admin: MongoDatabase, address: String) async throws(MongoError) -> Bool {
        let hello = try await admin.runCommand(["hello": 1])
        if hello["isWritablePrimary"]?.boolValue == true, (hello["me"]?.stringValue ?? address) == address {
            return true
        }
        let member: BSONValue = ["_id": 0, "host": .string(address)]
        let status: BSONDocument
        do throws(MongoError) {
            status = try await admin.runCommand(["replSetGetConfig": 1])
        } catch {
            // NotYetInitialized: a new data directory.
            guard error.serverCode == 94 else { throw error }
            try await admin.runCommand([
                "replSetInitiate": ["_id": .string(replicaSet), "version": 1, "members": [member]]
            ])
            return false
        }
        // A data directory that was used before, on another port: the member does not find itself in the set.
        guard var config = status["config"]?.documentValue else { return false }
        let host = config["members"]?.arrayValue?.first?.documentValue?["host"]?.stringValue
        if host != address {
            config["members"] = [member]
            config["version"] = .int32(Int32(clamping: (config["version"]?.intValue ?? 0) + 1))
            try await admin.runCommand(["replSetReconfig": .document(config), "force": true])
        }
        return false
    }

    /// Whether it is our child that answers: another server may hold the port, and our child be about to end.
    private static func isOurs(_ admin: MongoDatabase, _ process: MongodProcess) async throws(MongoError) -> Bool {
        try await admin.runCommand(["serverStatus": 1])["pid"]?.intValue == Int(process.pid)
    }

    static func makeDirectory(_ path: String) throws(LocalMongoError) {
        do throws(FileError) { try LocalFolder.make(path, mode: 0o700) } catch {
            throw LocalMongoError(.startFailed, "the folder \(error.path) cannot be made: \(error.reason)")
        }
    }

    static func checkLock(_ dataDirectory: String) throws(LocalMongoError) {
        guard let holder = lockHolder(dataDirectory) else { return }
        throw LocalMongoError(
            .directoryInUse,
            "the process \(holder) works on \(dataDirectory); stop it, or take another data directory"
        )
    }

    /// Whether no mongod works on the data directory.
    public static func isFree(_ dataDirectory: String) -> Bool { lockHolder(dataDirectory) == nil }

    /// mongod holds a lock on a file of its data directory for as long as it lives, and writes its pid there.
    private static func lockHolder(_ dataDirectory: String) -> String? {
        guard let file = try? OpenFile("\(dataDirectory)/mongod.lock") else { return nil }
        if flock(file.descriptor, LOCK_SH | LOCK_NB) == 0 { return nil }
        return String(decoding: ((try? file.read(upTo: 32)) ?? []).filter { $0 > 32 }, as: UTF8.self)
    }

    /// A port that was free a moment ago.
    static func freePort() throws(LocalMongoError) -> Int {
        if let port = boundPort(0) { return port }
        throw LocalMongoError(.startFailed, "no free port: \(FileError.reason())")
    }

    /// The port, or any for 0; `nil` where it is taken, with the reason in `errno`.
    static func boundPort(_ port: Int) -> Int? {
        guard let number = UInt16(exactly: port) else { return nil }
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        // Closing it must not hide why it could not be bound.
        defer {
            let fault = errno
            close(descriptor)
            errno = fault
        }
        // Connections of the last server that wait for their end keep nobody out, as they do not keep mongod out.
        var isOn: CInt = port > 0 ? 1 : 0
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &isOn, socklen_t(MemoryLayout<CInt>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = number.bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 ? getsockname(descriptor, $0, &length) : -1
            }
        }
        return status == 0 ? Int(UInt16(bigEndian: address.sin_port)) : nil
    }

    /// The last error in mongod's log, as mongod wrote it.
    static func lastFault(_ dataDirectory: String) -> String {
        guard let file = fopen(logPath(dataDirectory), "r") else { return "it wrote no log" }
        defer { fclose(file) }
        fseek(file, 0, SEEK_END)
        fseek(file, max(0, ftell(file) - 65536), SEEK_SET)
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = fread(&bytes, 1, bytes.count, file)
        let lines = bytes.prefix(count).split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
        let faults = lines.filter { $0.contains(#""s":"E""#) || $0.contains(#""s":"F""#) }
        return faults.last ?? lines.last ?? "its log is empty"
    }
}
