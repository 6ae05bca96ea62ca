import BSON
import TensorHub

extension Hub {
    /// A model as a person names it: `mlp`, `mlp@3`, `mlp@production`. A whole name with an `@` in it comes first.
    func findModel(named text: String) async throws -> ModelRecord {
        guard let (name, word) = text.bytes.cut(atLast: "@"), !name.isEmpty else {
            return try await findModel(ContentQuery(name: text))
        }
        if let whole = try? await findModel(ContentQuery(name: text)) { return whole }
        if let version = Int(word) { return try await findModel(ContentQuery(name: name, version: version)) }
        return try await findModel(ContentQuery(name: name), stage: word)
    }

    /// The same, where options do not say already which one.
    func findModel(named text: String, _ query: ContentQuery, stage: String?) async throws -> ModelRecord {
        if stage == nil, query.version == nil, query.filter == .all, query.sort == nil, text.bytes.contains("@") {
            return try await findModel(named: text)
        }
        return try await findModel(query, stage: stage)
    }
}
