import BSON

/// The scripts by which shells complete the command line, as ArgumentParser makes them.
enum CompletionScript {
    /// bash would sort what comes from MongoDB, the newest ids last. Versions before 4.4 know no other way.
    static func inOrder(_ script: String) -> String {
        guard script.bytes.hasPrefix("#!/bin/bash"), let last = script.bytes.split(separator: "\n").last,
            let function = last.dropping("complete -o filenames -F "), let start = script.bytes.dropping(end: last)
        else { return script }
        return start + "complete -o filenames -o nosort -F \(function) 2>/dev/null ||\n    \(last)"
    }
}
