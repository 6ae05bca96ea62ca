import TensorHub

extension DataSetRecord {
    /// `data set 'mnist' version 3`.
    var title: String { ContentText.title("data set", name, version) }
}
