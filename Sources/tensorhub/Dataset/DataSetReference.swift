import BSON
import TensorHub

extension Hub {
    /// A data set as a person names it: `mnist`, `mnist@2`, where the options do not say already which one. A whole
    /// name with an `@` in it comes first.
    func findDataSet(named text: String, _ query: ContentQuery) async throws -> DataSetRecord {
        guard query.version == nil, query.filter == .all, query.sort == nil,
            let (name, word) = text.bytes.cut(atLast: "@"), !name.isEmpty, let version = Int(word)
        else { return try await findDataSet(query) }
        do {
            return try await findDataSet(query)
        } catch  where error.code == .notFound {
            return try await findDataSet(ContentQuery(name: name, version: version))
        }
    }
}
