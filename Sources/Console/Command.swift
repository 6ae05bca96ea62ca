package import ArgumentParser
import Glibc
import MongoDriver

/// A command that deals with signals itself; every other one ends at Ctrl-C.
package protocol HandlesSignals {}

/// The frame of both executables: parses the arguments, runs the command, and turns whatever comes of it into one
/// sentence and one exit status.
package enum CommandFrame {
    @concurrent
    package static func run<Root: AsyncParsableCommand>(_ root: Root.Type) async -> Never {
        // Explicit, so that `| head` ends us by our own check, not in the middle of a write to MongoDB.
        signal(SIGPIPE, SIG_IGN)
        let name = root.configuration.commandName ?? "tensorhub"
        do {
            let parsed = try await root.asyncParseAsRoot(CommandLineArguments.all)
            if !(parsed is any HandlesSignals) { Interrupt.endProcessOnSignal() }
            if var command = parsed as? any AsyncParsableCommand {
                try await command.run()
            } else {
                var command = parsed
                try command.run()
            }
            exit(ExitStatus.done)
        } catch {
            exit(report(error, root, name))
        }
    }

    private static func report<Root: AsyncParsableCommand>(_ error: any Error, _ root: Root.Type, _ name: String)
        -> Int32
    {
        if let code = error as? ExitCode { return code.rawValue }
        // Help and completion scripts come as errors too.
        let status = root.exitCode(for: error)
        if status.isSuccess {
            StandardOutput.line(root.fullMessage(for: error))
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
