import ArgumentParser

/// `tensorhub model ...`
struct ModelVerbs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Store models, find the best, bring it here, give it a stage, compare, delete.",
        discussion: """
            Each name has versions, counted from 1; left out, the newest is meant.

            Example:
              tensorhub model put mlp.safetensors --architecture mlp.json --metric test_accuracy=0.97
              tensorhub model ls --sort test_accuracy:-1
              tensorhub model stage mlp production --version 3
              tensorhub model get mlp --stage production -o mlp.safetensors
            """,
        subcommands: [
            ModelPut.self, ModelGet.self, ModelList.self, ModelShow.self, ModelCompare.self, ModelStaging.self,
            ModelRemove.self,
        ]
    )
}
