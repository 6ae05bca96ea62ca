import BSON
import TutorialArrays

/// What the tasks train: dense layers, each a matrix and a vector of weights.
struct Network {
    private struct Layer {
        var matrix: [Float]
        var bias: [Float]
        var isRectified: Bool
        var inputs: Int { matrix.count / bias.count }
    }

    private let layers: [Layer]

    init(architecture: BSONDocument, weights: [NumPyArray]) throws {
        let descriptions = architecture["layers"]?.arrayValue?.compactMap(\.documentValue) ?? []
        guard !descriptions.isEmpty, weights.count == 2 * descriptions.count else {
            throw TutorialError("the architecture and the \(weights.count) arrays of weights do not fit")
        }
        layers = try descriptions.enumerated().map { index, description in
            guard let matrix = weights[2 * index].floats, let bias = weights[2 * index + 1].floats, !bias.isEmpty else {
                throw TutorialError("layer \(index) has no weights of type float32")
            }
            return Layer(matrix: matrix, bias: bias, isRectified: description["act"]?.stringValue == "relu")
        }
    }

    /// The part of the images whose digit is recognized.
    func accuracy(on part: Digits.Part) -> Double {
        let images = part.images.floats ?? []
        let digits = part.digits.integers ?? []
        let right = digits.indices.count { index in
            scores(images[(index * 64)..<((index + 1) * 64)]).enumerated().max { $0.element < $1.element }?.offset
                == Int(digits[index])
        }
        return Double(right) / Double(digits.count)
    }

    private func scores(_ image: ArraySlice<Float>) -> [Float] {
        var values = Array(image)
        for layer in layers {
            var next = layer.bias
            for (row, value) in values.enumerated() where value != 0 {
                for column in next.indices { next[column] += value * layer.matrix[row * next.count + column] }
            }
            values = layer.isRectified ? next.map { max($0, 0) } : next
        }
        return values
    }
}
