import BSON
import TensorHub
import Testing

@Suite struct FilterTests {
    @Test func `Comparisons of fields and literals are MongoDB filters`() {
        let filter: Filter = "hyper_parameters.lr" > 0.1 && "status" == "finished"
        #expect(
            filter.document == [
                "$and": [["hyper_parameters.lr": ["$gt": 0.1]], ["status": ["$eq": "finished"]]]
            ]
        )
        let other: Filter = !("priority" <= 3 || FieldPath("tag").isIn(["a", "b"]))
        #expect(
            other.document == ["$nor": [["$or": [["priority": ["$lte": 3]], ["tag": ["$in": ["a", "b"]]]]]]]
        )
        let missing: Filter = "result.accuracy" != nil
        #expect(missing.document == ["result.accuracy": ["$ne": nil]])
    }

    @Test func `A filter comes from Extended JSON and from anything Encodable`() throws {
        let json = try Filter(extendedJSON: #"{"time": {"$lt": {"$date": "2026-01-01T00:00:00Z"}}}"#)
        #expect(json.document["time"]?.documentValue?["$lt"]?.dateTimeValue != nil)
        struct ByName: Encodable { let seed = 7 }
        #expect(try Filter(encoding: ByName()).document == ["seed": .int64(7)])
    }

    @Test func `A filter that is not a JSON object is refused with its field and a form that works`() {
        for text in ["", "{", "[1]", "lr > 1", #"{"a": 1,}"#] {
            do {
                _ = try Filter(extendedJSON: text)
                Issue.record("accepted \(text)")
            } catch {
                #expect(error.code == .invalidInput && error.field == "filter")
                #expect(error.message.hasPrefix("filter: ") && error.message.contains("hyper_parameters.lr"))
            }
        }
    }

    @Test func `A sort is written as JSON or as fields and directions`() throws {
        #expect(try Sort("test_accuracy:-1,time").document == ["test_accuracy": -1, "time": 1])
        #expect(try Sort(#"{"a.b": -1}"#).document == ["a.b": -1])
        for text in ["", "a:2", "a:b", ":1", "a,,b", "a:1:1", "{"] {
            #expect(throws: HubError.self) { _ = try Sort(text) }
        }
    }
}
