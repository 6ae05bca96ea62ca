import Glibc
import TutorialArrays

/// A dense layer: a matrix and a vector of weights, with what the training keeps of each.
struct Layer {
    let inputs: Int
    let outputs: Int
    /// Row after row, a row for each input; behind them the bias.
    private(set) var weights: [Float]
    private var velocity: [Float]
    private var gradient: [Float]

    init(inputs: Int, outputs: Int, random: inout SplitMix64) {
        self.inputs = inputs
        self.outputs = outputs
        let scale = (2 / Float(inputs)).squareRoot()
        weights = (0..<(inputs * outputs)).map { _ in scale * Self.normal(&random) }
        weights += Array(repeating: 0, count: outputs)
        velocity = Array(repeating: 0, count: weights.count)
        gradient = velocity
    }

    var matrix: NumPyArray {
        NumPyArray(shape: [inputs, outputs], values: .floats(Array(weights[..<(inputs * outputs)])))
    }
    var bias: NumPyArray { NumPyArray(shape: [outputs], values: .floats(Array(weights[(inputs * outputs)...]))) }

    /// What the layer makes of its inputs.
    func forward(_ values: [Float]) -> [Float] {
        var sums = Array(weights[(inputs * outputs)...])
        sums.withUnsafeMutableBufferPointer { sums in
            weights.withUnsafeBufferPointer { weights in
                for (row, value) in values.enumerated() where value != 0 {
                    for column in 0..<outputs { sums[column] += value * weights[row * outputs + column] }
                }
            }
        }
        return sums
    }

    /// How much each input has a part in the error of the outputs.
    func backward(_ error: [Float]) -> [Float] {
        (0..<inputs).map { row in
            weights[(row * outputs)..<((row + 1) * outputs)].withUnsafeBufferPointer { weights in
                var sum: Float = 0
                for column in 0..<outputs { sum += weights[column] * error[column] }
                return sum
            }
        }
    }

    /// Adds what one image wants changed.
    mutating func learn(_ values: [Float], _ error: [Float]) {
        gradient.withUnsafeMutableBufferPointer { gradient in
            error.withUnsafeBufferPointer { error in
                for (row, value) in (values + [1]).enumerated() where value != 0 {
                    for column in 0..<outputs { gradient[row * outputs + column] += value * error[column] }
                }
            }
        }
    }

    /// Changes the weights by what was learned since the last time.
    mutating func update(rate: Float, momentum: Float) {
        let count = weights.count
        weights.withUnsafeMutableBufferPointer { weights in
            velocity.withUnsafeMutableBufferPointer { velocity in
                gradient.withUnsafeMutableBufferPointer { gradient in
                    for index in 0..<count {
                        velocity[index] = momentum * velocity[index] - rate * gradient[index]
                        weights[index] += velocity[index]
                        gradient[index] = 0
                    }
                }
            }
        }
    }

    /// A normally distributed number (Box and Muller).
    private static func normal(_ random: inout SplitMix64) -> Float {
        let radius = (-2 * log(1 - Double.random(in: 0..<1, using: &random))).squareRoot()
        return Float(radius * cos(2 * Double.pi * Double.random(in: 0..<1, using: &random)))
    }
}
