/// How all hyper-parameters of a task are handed over as arguments of its script. Those that are documents go as
/// `outer.inner`, lists as JSON.
///
/// wandb: `${args}`, `${args_no_hyphens}` and `${args_no_boolean_flags}` of a sweep's command.
public enum ArgumentStyle: String, Sendable, Hashable, CaseIterable {
    /// `--name=value`, as argparse, click, fire and absl read them.
    case hyphens
    /// `name=value`, as Hydra reads them.
    case noHyphens = "no-hyphens"
    /// `--name=value`; `--name` where the value is true, and nothing where it is false.
    case noBooleanFlags = "no-boolean-flags"

    static let names = allCases.map(\.rawValue)
}
