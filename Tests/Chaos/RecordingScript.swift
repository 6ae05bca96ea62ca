package import BSON
package import TensorHub

/// The script of the chaos tasks: records its start and end, prints what can be counted, leaves a result that names it.
///
/// No process but the shell for a short one. That another attempt of the task is alive it sees by itself: every attempt
/// notes pid and start time, and looks for those of the others.
package struct RecordingScript: Sendable {
    /// How long it works.
    package var seconds: Double
    /// Its exit status; only 0 leaves a result.
    package var exit: Int
    /// Bytes printed between its first and its last line.
    package var flood: Int
    /// Whether it leaves a process in a session of its own behind.
    package var leavesChild: Bool
    /// Lines printed at even distances while it works.
    package var steps: Int
    /// What it does to its own attempt once it has begun.
    package var harm: Harm?
    /// The task's time limit.
    package var timeout: Duration?

    package init(
        seconds: Double = 0,
        exit: Int = 0,
        flood: Int = 0,
        leavesChild: Bool = false,
        steps: Int = 0,
        harm: Harm? = nil,
        timeout: Duration? = nil
    ) {
        self.seconds = seconds
        self.exit = exit
        self.flood = flood
        self.leavesChild = leavesChild
        self.steps = steps
        self.harm = harm
        self.timeout = timeout
    }

    /// Scripts that cannot fail may be killed often: all that a kill costs is another attempt.
    package static let patience: Int32 = 1000
    /// The failures after which a script that always fails has failed.
    package static let failures: Int32 = 2

    /// Whether it runs for longer than its task allows.
    var outlivesLimit: Bool { timeout.map { .seconds(seconds) > $0 } ?? false }
    /// Whether its task may end as failed by what it does.
    var mayFail: Bool { exit != 0 || harm != nil || outlivesLimit }

    /// - Parameter record: The path of the record, which lies in a folder of the test's own.
    package func spec(record: String) -> TaskSpec {
        var spec = TaskSpec(
            script: Array(Self.text.utf8),
            hyperParameters: [
                "record": .string(record), "seconds": .double(seconds), "exit": .init(smallest: exit),
                "flood": .init(smallest: flood), "child": .init(smallest: leavesChild ? 1 : 0),
                "steps": .init(smallest: steps),
                "pause": .double(steps == 0 ? 0 : (seconds / Double(steps) * 1000).rounded() / 1000),
                "harms": .init(smallest: harm?.attempts ?? 0),
            ],
            savedResultKeys: exit == 0 ? ["task", "attempt"] : [],
            maxFailures: mayFail ? Self.failures : Self.patience,
            backoff: .milliseconds(200),
            timeout: timeout
        )
        if let harm {
            spec.hyperParameters.append("harm", .string(harm.text))
            spec.files = harm.files
        }
        return spec
    }

    /// Bytes that an attempt prints from its first to its last line.
    package func outputBytes(task: ObjectID, attempt: Int) -> Int {
        let name = "\(task) \(attempt)".utf8.count
        let numbered = steps == 0 ? 0 : (1...steps).reduce(0) { $0 + "\($1)".utf8.count + 1 }
        return name + " begun\n".utf8.count + flood + numbered + name + " ended\n".utf8.count
    }

    private static let text = """
        #!/bin/sh
        set -e
        record=$TENSORHUB_HP_record
        me="$TENSORHUB_TASK_ID $TENSORHUB_ATTEMPT"

        # note EVENT [OTHER]: one line at the end of the record, in one write
        note() {
            read -r up _ < /proc/uptime
            echo "$1 $me ${up%.*}${up#*.}0000000 $$${2:+ $2}" >> "$record"
        }

        read -r stat < /proc/$$/stat
        set -- ${stat##*) }
        echo "$TENSORHUB_ATTEMPT $$ ${20}" >> "$record.$TENSORHUB_TASK_ID"
        note start
        while read -r attempt pid began; do
            [ "$attempt" != "$TENSORHUB_ATTEMPT" ] || continue
            read -r stat 2>/dev/null < "/proc/$pid/stat" || continue
            set -- ${stat##*) }
            case $1 in Z | X) continue ;; esac
            [ "${20}" != "$began" ] || note beside "$attempt"
        done < "$record.$TENSORHUB_TASK_ID"

        echo "$me begun"
        if [ "$TENSORHUB_ATTEMPT" -le "$TENSORHUB_HP_harms" ]; then
            eval "$TENSORHUB_HP_harm" > /dev/null 2>&1 || true
            note harm
        fi
        if [ "$TENSORHUB_HP_child" = 1 ]; then setsid sleep 600 > /dev/null 2>&1 & fi
        [ "$TENSORHUB_HP_flood" = 0 ] || yes "$me" | head -c "$TENSORHUB_HP_flood"
        step=0
        while [ "$step" -lt "$TENSORHUB_HP_steps" ]; do
            step=$((step + 1))
            echo "$step"
            sleep "$TENSORHUB_HP_pause"
        done
        case $TENSORHUB_HP_steps:$TENSORHUB_HP_seconds in
        0:0 | 0:0.0) ;;
        0:*) sleep "$TENSORHUB_HP_seconds" ;;
        esac
        echo "$me ended"
        # A named pipe that it has made itself nobody reads: it would wait for ever.
        if [ "$TENSORHUB_HP_exit" = 0 ] && [ ! -p "$TENSORHUB_RESULT_FILE" ]; then
            printf '{"task": "%s", "attempt": %s}\\n' $me > "$TENSORHUB_RESULT_FILE"
        fi
        note end
        exit "$TENSORHUB_HP_exit"

        """
}
