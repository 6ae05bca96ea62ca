import BSON
import Glibc
import TutorialArrays

/// A network of two layers that learns by gradient descent with momentum, image by image, in batches.
struct Training {
    private static let batchSize = 32
    private static let rate: Float = 0.1
    private static let momentum: Float = 0.9

    private var hidden: Layer
    private var output: Layer
    private var random = SplitMix64(state: 2)

    init(inputs: Int, units: Int, outputs: Int) {
        hidden = Layer(inputs: inputs, outputs: units, random: &random)
        output = Layer(inputs: units, outputs: outputs, random: &random)
    }

    /// The matrix and the bias of each layer.
    var weights: [NumPyArray] { [hidden.matrix, hidden.bias, output.matrix, output.bias] }

    var architecture: BSONDocument {
        [
            "name": "mlp", "n_in": BSONValue(smallest: hidden.inputs),
            "layers": [
                ["class": "Dense", "n_units": BSONValue(smallest: hidden.outputs), "act": "relu"],
                ["class": "Dense", "n_units": BSONValue(smallest: output.outputs), "act": .null],
            ],
        ]
    }

    /// Learns from all images once, in an order of its own; the mean loss of an image.
    mutating func epoch(images: NumPyArray, digits: NumPyArray) -> Double {
        let (pixels, digits) = (images.floats ?? [], digits.integers ?? [])
        let order = digits.indices.shuffled(using: &random)
        var loss = 0.0
        for start in stride(from: 0, to: order.count, by: Self.batchSize) {
            let batch = order[start..<min(start + Self.batchSize, order.count)]
            for index in batch {
                let image = Array(pixels[(index * hidden.inputs)..<((index + 1) * hidden.inputs)])
                loss += learn(image, Int(digits[index]), part: 1 / Float(batch.count))
            }
            hidden.update(rate: Self.rate, momentum: Self.momentum)
            output.update(rate: Self.rate, momentum: Self.momentum)
        }
        return loss / Double(order.count)
    }

    private mutating func learn(_ image: [Float], _ digit: Int, part: Float) -> Double {
        let values = hidden.forward(image).map { max($0, 0) }
        let scores = output.forward(values)
        let top = scores.max() ?? 0
        let powers = scores.map { exp($0 - top) }
        let sum = powers.reduce(0, +)
        var error = powers.map { $0 / sum }
        let loss = -log(Double(error[digit]) + 1e-9)
        error[digit] -= 1
        error = error.map { $0 * part }
        let back = zip(output.backward(error), values).map { $1 > 0 ? $0 : 0 }
        output.learn(values, error)
        hidden.learn(image, back)
        return loss
    }

    /// The part of the images whose digit is recognized.
    func accuracy(images: NumPyArray, digits: NumPyArray) -> Double {
        let (pixels, digits) = (images.floats ?? [], digits.integers ?? [])
        let right = digits.indices.count { index in
            let image = Array(pixels[(index * hidden.inputs)..<((index + 1) * hidden.inputs)])
            let scores = output.forward(hidden.forward(image).map { max($0, 0) })
            return scores.enumerated().max { $0.element < $1.element }?.offset == Int(digits[index])
        }
        return Double(right) / Double(digits.count)
    }
}
