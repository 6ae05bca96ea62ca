import BSON
import CLibMongoC

extension MongoError {
    /// Makes one error of what libmongoc says and what the server answered.
    ///
    /// - Parameter hosts: the servers of the URI, for the sentence that says where nobody answered.
    init(_ error: bson_error_t, reply: BSONDocument, hosts: String) {
        let text = ServerText.scrubbed(error.text)
        let domain = mongoc_error_domain_t(error.domain)
        self.init(.server, text, reply: ServerText.scrubbed(reply))
        labels = reply["errorLabels"]?.arrayValue?.compactMap(\.stringValue) ?? []
        codeName = reply["codeName"]?.stringValue
        writeErrors = Self.writeErrors(in: reply)
        switch domain {
        case MONGOC_ERROR_SERVER_SELECTION:
            code = .unreachable
            message = "no server could be reached at \(hosts): \(text)"
        case MONGOC_ERROR_STREAM:
            let neverSent = [
                MONGOC_ERROR_STREAM_NAME_RESOLUTION, MONGOC_ERROR_STREAM_CONNECT, MONGOC_ERROR_STREAM_NOT_ESTABLISHED,
            ]
            code = neverSent.contains(mongoc_error_code_t(error.code)) ? .unreachable : .network
            message =
                code == .unreachable
                ? "no server could be reached at \(hosts): \(text)"
                : "the connection to \(hosts) broke before the answer: \(text)"
        case MONGOC_ERROR_PROTOCOL: code = .network
        case MONGOC_ERROR_SASL, MONGOC_ERROR_SCRAM: code = .authentication
        case MONGOC_ERROR_CLIENT:
            let refused = [MONGOC_ERROR_CLIENT_AUTHENTICATE, MONGOC_ERROR_CLIENT_GETNONCE]
            code = refused.contains(mongoc_error_code_t(error.code)) ? .authentication : .invalidInput
        case MONGOC_ERROR_WRITE_CONCERN:
            code = .writeConcern
            serverCode = Int(error.code)
            codeName = Self.writeConcernFault(in: reply)?.name ?? codeName
        case MONGOC_ERROR_SERVER, MONGOC_ERROR_QUERY, MONGOC_ERROR_COLLECTION, MONGOC_ERROR_GRIDFS:
            adopt(serverCode: Int(error.code))
        default: code = .invalidInput
        }
        refine()
    }

    /// What a reply holds although the call went through: refused statements, or a write concern that was not met.
    init?(failureIn reply: BSONDocument) {
        let writeErrors = Self.writeErrors(in: reply)
        if let first = writeErrors.first {
            self.init(.write, first.message, writeErrors: writeErrors, reply: ServerText.scrubbed(reply))
            adopt(serverCode: first.code)
        } else if let fault = Self.writeConcernFault(in: reply) {
            self.init(.writeConcern, fault.message, serverCode: fault.code, reply: ServerText.scrubbed(reply))
            codeName = fault.name
        } else {
            return nil
        }
        labels = reply["errorLabels"]?.arrayValue?.compactMap(\.stringValue) ?? []
        refine()
    }

    private mutating func adopt(serverCode: Int) {
        self.serverCode = serverCode
        switch serverCode {
        case _ where Self.duplicateCodes.contains(serverCode): code = .duplicateKey
        case 40573: code = .notReplicaSet
        case _ where Self.forbiddenCodes.contains(serverCode): code = .forbidden
        case _ where Self.authenticationCodes.contains(serverCode): code = .authentication
        case 10334, 17419, 17420, 17280: code = .invalidInput
        default: code = writeErrors.isEmpty ? .server : .write
        }
    }

    private static let duplicateCodes: Set<Int> = [11000, 11001, 12582]

    /// A bulk write of several messages that was cut short has done some of them: then nothing is known any more. And
    /// libmongoc tells of the first refused statement before all else that went wrong, which may weigh more.
    private mutating func refine() {
        let counts = ["nInserted", "nMatched", "nRemoved", "nUpserted"].map { reply[$0]?.intValue ?? 0 }
        if code == .unreachable, counts.contains(where: { $0 > 0 }) { code = .network }
        if code == .server || !writeErrors.isEmpty, let fault = Self.writeConcernFault(in: reply) {
            code = .writeConcern
            serverCode = fault.code
            codeName = fault.name
            message = fault.message
        } else if !writeErrors.isEmpty, labels.contains("RetryableWriteError") {
            becomeCutShort()
        } else if code == .duplicateKey,
            let other = writeErrors.first(where: { !Self.duplicateCodes.contains($0.code) })
        {
            adopt(serverCode: other.code)
        }
        if code == .writeConcern { message = "the write is not acknowledged as asked for: \(message)" }
    }

    /// Statements were refused, and after them the connection broke: what became of the others is not known.
    mutating func becomeCutShort() {
        code = .network
        message = "the call was cut short; before that \(writeErrors.count) of its statements were refused: \(message)"
    }

    private static func writeErrors(in reply: BSONDocument) -> [WriteError] {
        (reply["writeErrors"]?.arrayValue ?? []).compactMap(\.documentValue).map {
            WriteError(
                index: $0["index"]?.intValue ?? 0,
                code: $0["code"]?.intValue ?? 0,
                message: ServerText.scrubbed($0["errmsg"]?.stringValue ?? "no message")
            )
        }
    }

    /// A command says `writeConcernError`, a bulk write of libmongoc a list of them.
    private static func writeConcernFault(in reply: BSONDocument) -> (code: Int?, name: String?, message: String)? {
        let fault =
            reply["writeConcernError"]?.documentValue
            ?? reply["writeConcernErrors"]?.arrayValue?.first?.documentValue
        guard let fault else { return nil }
        return (
            fault["code"]?.intValue, fault["codeName"]?.stringValue,
            ServerText.scrubbed(fault["errmsg"]?.stringValue ?? "no message")
        )
    }
}

extension bson_error_t {
    /// The message; empty when there is none.
    var text: String {
        withUnsafeBytes(of: message) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}
