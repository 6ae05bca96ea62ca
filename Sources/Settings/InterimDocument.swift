import BSON

extension BSONDocument {
    init(extendedJSON: String) throws(BSONError) {
        if extendedJSON == "{}" {
            self = [:]
            return
        }
        throw BSONError(.malformedJSON, "not yet")
    }
}
