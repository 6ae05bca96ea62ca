import TensorHub

extension ModelRecord {
    /// `model 'mlp' version 3`.
    var title: String { ContentText.title("model", name, version) }
}
