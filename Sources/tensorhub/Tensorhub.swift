import ArgumentParser
import Console

@main
struct Tensorhub: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tensorhub",
        abstract: "Creates tasks in MongoDB, watches them, and brings their results back.",
        discussion: """
            Example, with a private MongoDB and runner that end with the shell:
              tensorhub dev -- bash
              ids=$(tensorhub submit train.py -p lr=0.1 --result test_accuracy --count 3)
              tensorhub wait $ids && tensorhub results $ids --best test_accuracy

            Ids and documents go to standard output, words for people to standard error.
            Exit status: 0 done, 1 failure, 2 bad input, 3 nothing matched, 69 MongoDB
            unreachable, 130 interrupted; of the tasks in question: 100 some failed, 103
            some were cancelled, 124 time-out. Times are local on a terminal, in UTC
            elsewhere. Shell completions: tensorhub --generate-completion-script bash (zsh,
            fish).
            """,
        version: version,
        subcommands: [
            Submit.self, Run.self, List.self, Find.self, Show.self, Logs.self, Wait.self, Results.self, Why.self,
            Status.self, Cancel.self, Retry.self, Rerun.self, SetVerb.self, Hold.self, Release.self, Remove.self,
            RunnerVerbs.self,
            DatasetVerbs.self, ModelVerbs.self, LogVerbs.self, Prune.self, CollectGarbage.self,
            Dev.self, Serve.self,
        ]
    )

    static func main() async { await CommandFrame.run(Self.self, otherVerbs: OtherVerbs.meant) }
}
