/// A tensor or array as the file that holds it describes it.
public struct Tensor: Sendable, Hashable {
    /// Path of the file in the data set or model.
    public var file: String
    /// In that file; for a `.npy` file its path without the extension.
    public var name: String
    public var shape: [Int]
    /// As NumPy calls it, such as `float32`; what NumPy has no word for in the words of the file, such as `bfloat16`,
    /// `>f4`.
    public var dtype: String

    /// How many elements; `nil` where that is more than a machine counts.
    public var count: Int? {
        var product = 1
        for length in shape {
            let (result, overflow) = product.multipliedReportingOverflow(by: length)
            if overflow { return nil }
            product = result
        }
        return product
    }
}
