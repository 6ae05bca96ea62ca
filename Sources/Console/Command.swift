package import ArgumentParser
import BSON
import Glibc
import MongoDriver

/// A command that deals with signals itself; every other one ends at Ctrl-C.
package protocol HandlesSignals {}

/// The frame of both executables: parses the arguments, runs the command, and turns whatever comes of it into one
/// sentence and one exit status.
package enum CommandFrame {
    /// - Parameter otherVerbs: The verbs of a command (`["runner"]`) that another program calls by this word.
    @concurrent
    package static func run<Root: AsyncParsableCommand>(
        _ root: Root.Type,
        otherVerbs: @Sendable (_ word: String, _ command: [String]) -> [String] = { _, _ in [] }
    ) async -> Never {
        // Explicit, so that `| head` ends us by our own check, not in the middle of a write to MongoDB.
        signal(SIGPIPE, SIG_IGN)
        let name = root.configuration.commandName ?? "tensorhub"
        do {
            let arguments = CommandLineArguments.all
            if let unknown = UnknownVerb(root, arguments, otherVerbs) { throw unknown.failure }
            let parsed = try await parse(root, withEmptyValues(arguments))
            if !(parsed is any HandlesSignals) { Interrupt.endProcessOnSignal() }
            if var command = parsed as? any AsyncParsableCommand {
                try await command.run()
            } else {
                var command = parsed
                try command.run()
            }
            end(ExitStatus.done)
        } catch {
            end(report(error, root, name))
        }
    }

    /// Ends the process at once. `exit` has OpenSSL clean up while threads of libmongoc still use it, which then free
    /// twice; nothing here is buffered by the C library.
    package static func end(_ status: Int32) -> Never { _exit(status) }

    /// A value that begins with a dash is taken where the parser alone finds none.
    private static func parse<Root: AsyncParsableCommand>(
        _ root: Root.Type,
        _ arguments: [String]
    ) async throws -> any ParsableCommand {
        do {
            return try await root.asyncParseAsRoot(arguments)
        } catch {
            guard !root.exitCode(for: error).isSuccess else { throw error }
            let dashed = DashedValues(root, arguments)
            let joined = dashed.joined(arguments)
            if let hint = dashed.misplaced(joined) ?? dashed.unnamed(joined) {
                throw AmbiguousValue(underlying: error, hint: hint)
            }
            if joined != arguments { return try await root.asyncParseAsRoot(joined) }
            if let hint = dashed.ambiguity(arguments) { throw AmbiguousValue(underlying: error, hint: hint) }
            throw error
        }
    }

    /// `--name=` means an empty value; to the parser it would be a name whose value follows.
    private static func withEmptyValues(_ arguments: [String]) -> [String] {
        guard arguments.contains(where: { $0.bytes.hasSuffix("=") || $0.bytes == "--args" }) else { return arguments }
        var result: [String] = []
        var rest = arguments[...]
        while let word = rest.popFirst() {
            if word == "--" { return result + [word] + rest }
            // A flag with a form that may be left out: what follows it is none.
            if word.bytes == "--args" {
                result.append("--args=hyphens")
                continue
            }
            let name = word.utf8.dropLast()
            if word.utf8.starts(with: "--".utf8), word.utf8.last == UInt8(ascii: "="), name.count > 2,
                !name.contains(UInt8(ascii: "="))
            {
                result += [String(Substring(name)), ""]
            } else {
                result.append(word)
            }
        }
        return result
    }

    /// A wrong command line, and what may have been meant.
    private struct AmbiguousValue: Error {
        var underlying: any Error
        var hint: String
    }

    private static func report<Root: AsyncParsableCommand>(_ error: any Error, _ root: Root.Type, _ name: String)
        -> Int32
    {
        if let ambiguous = error as? AmbiguousValue {
            let status = report(ambiguous.underlying, root, name)
            StandardError.line(ambiguous.hint)
            return status
        }
        if let code = error as? ExitCode { return code.rawValue }
        // Help and completion scripts come as errors too.
        let status = root.exitCode(for: error)
        if status.isSuccess {
            StandardOutput.line(CompletionScript.inOrder(root.fullMessage(for: error)))
            return ExitStatus.done
        }
        if status == .validationFailure {
            // It repeats what it does not know, and that may be a connection string.
            StandardError.line(ConnectionText.redacted(root.fullMessage(for: error)))
            return ExitStatus.badInput
        }
        let failure = CommandFailure(error)
        if !failure.message.isEmpty { StandardError.line("\(name): \(failure.message)") }
        return failure.status
    }
}
