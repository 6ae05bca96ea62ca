import ArgumentParser

/// `tensorhub runner ...`
struct RunnerVerbs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runner",
        abstract: "Look at runners; drain, pause, resume and stop them, from any machine.",
        discussion: """
            A runner is meant by its name, its id, or the beginning of its id. A name that
            several runners have means all of them.

            Example, before maintenance of gpu1 and after it:
              tensorhub runner drain gpu1 --deadline 2h --wait
              tensorhub runner resume gpu1
            """,
        subcommands: [
            RunnerList.self, RunnerShow.self, RunnerDrain.self, RunnerPause.self, RunnerResume.self, RunnerStop.self,
        ]
    )
}
