extension BSONValue: Codable {
    /// A `BSONDecoder` hands over its value; every other decoder is read as Extended JSON.
    public init(from decoder: any Decoder) throws {
        if let decoder = decoder as? BSONValueDecoder {
            self = decoder.value
            return
        }
        do {
            self = try BSONValue(extendedJSON: try BSONValue(plainFrom: decoder).extendedJSON())
        } catch let error as BSONError {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: error.description, underlyingError: error)
            )
        }
    }

    /// A `BSONEncoder` takes the value as it is; every other encoder gets canonical Extended JSON.
    public func encode(to encoder: any Encoder) throws {
        if let encoder = encoder as? BSONNodeEncoder { return try encoder.encode(self) }
        try BSONValue(extendedJSON: extendedJSON(.canonical), options: .init(plain: true)).encodePlain(to: encoder)
    }

    /// What any decoder has: null, truth values, numbers, texts, arrays and documents.
    private init(plainFrom decoder: any Decoder) throws {
        if let container = try? decoder.container(keyedBy: BSONKey.self) {
            self = .document(
                BSONDocument(
                    elements: try container.allKeys.map { key in
                        guard !key.stringValue.utf8.contains(0) else {
                            throw BSONError(.unrepresentable, "a key cannot hold a NUL character")
                        }
                        return (key.stringValue, try container.decode(PlainValue.self, forKey: key).value)
                    }
                )
            )
        } else if var container = try? decoder.unkeyedContainer() {
            var values: [BSONValue] = []
            while !container.isAtEnd { values.append(try container.decode(PlainValue.self).value) }
            self = .array(values)
        } else {
            let container = try decoder.singleValueContainer()
            if container.decodeNil() {
                self = .null
            } else if let flag = try? container.decode(Bool.self) {
                self = .bool(flag)
            } else if let number = try? container.decode(Int.self) {
                self = BSONValue(smallest: number)
            } else if let number = try? container.decode(Double.self) {
                self = .double(number)
            } else {
                self = .string(try container.decode(String.self))
            }
        }
    }

    private func encodePlain(to encoder: any Encoder) throws {
        switch self {
        case .document(let document):
            var container = encoder.container(keyedBy: BSONKey.self)
            for (key, value) in document {
                try container.encode(PlainValue(value: value), forKey: BSONKey(stringValue: key))
            }
        case .array(let values):
            var container = encoder.unkeyedContainer()
            for value in values { try container.encode(PlainValue(value: value)) }
        default:
            var container = encoder.singleValueContainer()
            switch self {
            case .string(let text): try container.encode(text)
            case .bool(let flag): try container.encode(flag)
            case .double(let number): try container.encode(number)
            case .int64(let number): try container.encode(number)
            default: try container.encodeNil()
            }
        }
    }

    private struct PlainValue: Codable {
        var value: BSONValue

        init(value: BSONValue) { self.value = value }
        init(from decoder: any Decoder) throws { value = try BSONValue(plainFrom: decoder) }
        func encode(to encoder: any Encoder) throws { try value.encodePlain(to: encoder) }
    }
}

extension BSONNative where Self: Codable {
    fileprivate init(native decoder: any Decoder) throws {
        let value = try BSONValue(from: decoder)
        guard let native = Self(bsonValue: value) else {
            throw DecodingError.typeMismatch(
                Self.self,
                .init(
                    codingPath: decoder.codingPath,
                    debugDescription: "expected \(Self.self), found a value of type \(value.type)"
                )
            )
        }
        self = native
    }
}

extension BSONDocument: Codable {
    public init(from decoder: any Decoder) throws { try self.init(native: decoder) }
    public func encode(to encoder: any Encoder) throws { try bsonValue.encode(to: encoder) }
}

extension ObjectID: Codable {
    public init(from decoder: any Decoder) throws { try self.init(native: decoder) }
    public func encode(to encoder: any Encoder) throws { try bsonValue.encode(to: encoder) }
}

extension BSONDateTime: Codable {
    public init(from decoder: any Decoder) throws { try self.init(native: decoder) }
    public func encode(to encoder: any Encoder) throws { try bsonValue.encode(to: encoder) }
}

extension BSONBinary: Codable {
    public init(from decoder: any Decoder) throws { try self.init(native: decoder) }
    public func encode(to encoder: any Encoder) throws { try bsonValue.encode(to: encoder) }
}

extension BSONRegularExpression: Codable {
    public init(from decoder: any Decoder) throws { try self.init(native: decoder) }
    public func encode(to encoder: any Encoder) throws { try bsonValue.encode(to: encoder) }
}

extension BSONDBPointer: Codable {
    public init(from decoder: any Decoder) throws { try self.init(native: decoder) }
    public func encode(to encoder: any Encoder) throws { try bsonValue.encode(to: encoder) }
}

extension BSONTimestamp: Codable {
    public init(from decoder: any Decoder) throws { try self.init(native: decoder) }
    public func encode(to encoder: any Encoder) throws { try bsonValue.encode(to: encoder) }
}

extension Decimal128: Codable {
    public init(from decoder: any Decoder) throws { try self.init(native: decoder) }
    public func encode(to encoder: any Encoder) throws { try bsonValue.encode(to: encoder) }
}
