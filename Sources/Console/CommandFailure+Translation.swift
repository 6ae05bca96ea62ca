import ArgumentParser
import MongoDriver
import Settings
import TensorHub

extension CommandFailure {
    /// What an error of the libraries means for a command.
    package init(_ error: any Error) {
        switch error {
        case let failure as CommandFailure: self = failure
        case let error as HubError: self = Self.translate(error)
        case let error as SettingsError: self = .badInput(error.description)
        case let error as MongoError: self = Self.translate(error, message: error.description)
        case is CancellationError: self = CommandFailure(ExitStatus.interrupted, "interrupted")
        default: self = CommandFailure.failure("\(error)")
        }
    }

    private static func translate(_ error: HubError) -> CommandFailure {
        switch error.code {
        case .invalidInput: .badInput(error.message)
        case .notFound: CommandFailure.nothingMatched(error.message)
        case .timeout: CommandFailure(ExitStatus.timeout, error.message)
        case .unreachable: CommandFailure(ExitStatus.unreachable, error.message)
        default:
            (error.underlying as? MongoError).map { translate($0, message: error.message) }
                ?? CommandFailure.failure(error.message)
        }
    }

    private static func translate(_ error: MongoError, message: String) -> CommandFailure {
        switch error.code {
        case .invalidURI: return .badInput("uri: \(message)")
        case .unreachable: return CommandFailure(ExitStatus.unreachable, message)
        case _ where error.isRetryable: return CommandFailure(ExitStatus.unreachable, message)
        default: break
        }
        let serverCodes = [error.serverCode].compactMap(\.self) + error.writeErrors.map(\.code)
        if serverCodes.contains(where: queryFaults.contains) {
            return .badInput("MongoDB cannot use the filter or the sort: \(error.message)")
        }
        return CommandFailure.failure(message)
    }

    /// The server's codes for a query that it cannot read: BadValue, FailedToParse, TypeMismatch, Location of a bad
    /// regular expression and of a bad option of one. Our own statements are well-formed, so the fault is in what the
    /// caller gave.
    private static let queryFaults: Set<Int> = [2, 9, 14, 51091, 51108]

    /// Whether the same call may succeed later: MongoDB is away, or changes its primary.
    package static func isTransient(_ error: any Error) -> Bool {
        let error = (error as? HubError)?.underlying ?? error
        return (error as? MongoError)?.isRetryable ?? false
    }
}
