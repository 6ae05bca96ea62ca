import ArgumentParser
import BSON
import Console
import TensorHub

struct ModelPut: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put",
        abstract: "Store a model as a new version, and print its id.",
        discussion: """
            The parameters are a file, a folder, several .npy or .npz files, or - for
            standard input; without them the architecture alone is stored.

            Example:
              tensorhub model put mlp.safetensors --architecture mlp.json --metric test_accuracy=0.97
            """
    )

    @Argument(help: "The parameters.", completion: .file())
    var paths: [String] = []

    @Option(
        help: """
            A file that describes the architecture: a JSON object becomes the document, anything else is kept as it is.
            """,
        completion: .file()
    )
    var architecture: String?

    @Option(
        name: .customLong("metric"),
        help: ArgumentHelp("A number to find the best by, nan and inf too; may be repeated.", valueName: "name=number")
    )
    var metrics: [String] = []

    @OptionGroup var source: ContentSource
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        if paths.isEmpty && architecture == nil {
            throw CommandFailure.badInput("there is nothing to store; give the parameters, --architecture, or both")
        }
        let named = paths.isEmpty ? [architecture ?? ""] : paths
        let name = try source.name(of: named)
        let tags = try source.tags.document(and: try numbers())
        let architecture = try architecture.map(Self.architecture) ?? [:]
        let content = paths.isEmpty ? nil : try source.content(paths)
        let saved = try await connection.hub().saveModel(content, name: name, architecture: architecture, tags: tags)
        output.receipt(saved.document, saved.id)
        let size = saved.files.isEmpty ? "architecture alone" : counted(saved.files.count, "file")
        StandardError.line("\(saved.title): \(size)" + (saved.size.map { ", \(ByteText.of($0))" } ?? ""))
    }

    private func numbers() throws -> BSONDocument {
        var document = BSONDocument()
        for text in metrics {
            guard let (name, written) = text.bytes.cut(atFirst: "="), !name.isEmpty,
                let number = try Self.number(written, text)
            else {
                throw CommandFailure.badInput("--metric '\(text)' is no number with a name; write test_accuracy=0.97")
            }
            if document[name] != nil {
                throw CommandFailure.badInput("--metric '\(name)' is given twice; give it once")
            }
            document[name] = number
        }
        return document
    }

    private static func number(_ word: String, _ text: String) throws(CommandFailure) -> BSONValue? {
        do {
            let value = try WrittenValue(word).value
            return value.doubleValue.map { _ in value }
        } catch {
            throw .badInput("--metric '\(text)': \(error.message); as text it is a --tag")
        }
    }

    private static func architecture(_ path: String) throws -> BSONDocument {
        let bytes = try InputFile(path, role: "--architecture", limit: TaskSpec.maximumDocumentSize).bytes
        do throws(BSONError) {
            return try BSONDocument(extendedJSON: bytes, options: .nonFinite).withoutRepeatedKeys
        } catch {
            // What is no JSON object is kept as it is; one with such a number would not be found by its fields.
            if error.code == .unrepresentable {
                throw CommandFailure.badInput("--architecture \(path): \(error.message)")
            }
        }
        let name = BSONValue.string(path.bytes.split(separator: "/").last?.text ?? path)
        if let text = String(validating: bytes, as: UTF8.self) { return ["file": name, "text": .string(text)] }
        return ["file": name, "data": .binary(BSONBinary(bytes: bytes))]
    }
}
