import BSON
import Testing

@Suite struct ExtendedJSONTests {
    @Test func `Integers take the smallest type that holds them`() throws {
        let text = #"[1, -2147483648, 2147483648, 9223372036854775807, 1.0, 1e3, -0]"#
        #expect(
            try BSONValue(extendedJSON: text)
                == [
                    .int32(1), .int32(.min), .int64(2_147_483_648), .int64(.max),
                    .double(1), .double(1000), .int32(0),
                ]
        )
    }

    @Test func `Plain mode reads JSON as JSON`() throws {
        let text = #"{"$oid": "nothing", "n": 1, "x": {"$numberInt": 1}}"#
        let document = try BSONDocument(extendedJSON: text, options: .init(plain: true))
        #expect(
            document == [
                "$oid": "nothing", "n": .int64(1),
                "x": ["$numberInt": .int64(1)],
            ]
        )
    }

    @Test func `Non-finite literals need the option`() throws {
        let text = #"{"a": NaN, "b": Infinity, "c": -Infinity}"#
        #expect(throws: BSONError.self) { try BSONDocument(extendedJSON: text) }
        #expect(throws: BSONError.self) { try BSONDocument(extendedJSON: #"{"d": 1e999}"#) }
        let document = try BSONDocument(extendedJSON: text, options: .init(allowsNonFiniteLiterals: true))
        #expect(document["a"]?.doubleValue?.isNaN == true)
        #expect(document["b"] == .double(.infinity))
        #expect(document["c"] == .double(-.infinity))
    }

    @Test(
        arguments: [
            "0", "-0", "1e23", "6.02214076e23", "9.9999999999999992e22", "9007199254740992.0", "9007199254740994.0",
            "-0.0",
            "7.205759403792795e+16", "1.2345678901234567e+19", "12345678901234567168.0", "1.7976931348623157e308",
            "5e-324",
            "0e999", "0.0e-999", "3.14159265358979323846264338327950288", "0.1000000000000000055511151231257827",
            "1E400e0",
        ].dropLast()
    )
    func `A number that reads as it was written is taken`(_ number: String) throws {
        let value = try BSONValue(extendedJSON: number)
        #expect(value.doubleValue == Double(number))
        #expect(try WrittenNumber.value(number) == value)
    }

    @Test(arguments: ["", "-", ".", "e5", "1e", "0x1F", "1_000", "nan", "inf", "1 ", " 1", "1.2.3", "١"])
    func `What is no number is none`(_ text: String) throws {
        #expect(try WrittenNumber.value(text) == nil)
    }

    @Test func `What is no JSON is told before a number that does not fit`() {
        let error = #expect(throws: BSONError.self) { try BSONValue(extendedJSON: "18446744073709551615 seeds") }
        #expect(error?.code == .malformedJSON)
        let fault = #expect(throws: BSONError.self) { try BSONValue(extendedJSON: "[1, 18446744073709551615]") }
        #expect(fault?.code == .unrepresentable && fault?.message.hasPrefix("line 1, column 5: ") == true)
    }

    @Test func `A byte order mark in front of a file is passed over and one within is named`() throws {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        #expect(try BSONDocument(extendedJSON: mark + Array("{\"a\": 1}\r\n".utf8)) == ["a": 1])
        let error = #expect(throws: BSONError.self) { try BSONValue(extendedJSON: "{\u{FEFF}\"a\": 1}") }
        #expect(error?.message.contains("byte order mark (U+FEFF)") == true)
        let hidden = #expect(throws: BSONError.self) { try BSONValue(extendedJSON: "[\u{200B}1]") }
        #expect(hidden?.message.contains("found U+200B") == true)
        let wide = #expect(throws: BSONError.self) { try BSONValue(extendedJSON: [0xFF, 0xFE, 0x7B, 0]) }
        #expect(wide?.message.contains("UTF-16") == true)
    }

    @Test(arguments: [
        "1e-400", "-4e-330", "9007199254740993.0", "12345678901234567890.0", "1.8446744073709551615e19",
        "9007199254740993.5", #"{"$numberDouble": "1e400"}"#, #"{"$numberDouble": "1e-400"}"#,
        #"{"$numberLong": "9223372036854775808"}"#, #"{"$numberInt": "2147483648"}"#,
        #"{"$numberDecimal": "1e9999"}"#, #"{"$date": {"$numberLong": "9223372036854775808"}}"#,
    ])
    func `A number that would become another is refused`(_ number: String) {
        #expect(throws: BSONError.self) { try BSONValue(extendedJSON: "[{\"a\": [\(number)]}]") }
    }

    @Test(arguments: [
        "9223372036854775808", "-9223372036854775809", "18446744073709551615", "1e400", "-1e309",
        "1" + String(repeating: "0", count: 400),
    ])
    func `A number that no double or integer is equal to is refused and named`(_ number: String) {
        for text in ["{\"a\": [{\"b\": \(number)}]}", "{\"a\": \(number)}"] {
            for options in [ExtendedJSONOptions(), .init(allowsNonFiniteLiterals: true), .init(plain: true)] {
                let error = #expect(throws: BSONError.self) { try BSONDocument(extendedJSON: text, options: options) }
                #expect(error?.message.contains(number.prefix(20)) == true)
            }
        }
    }

    @Test(arguments: [
        ("", "line 1, column 1: expected a value, found the end of the text"),
        ("{\n  \"é\": tru\n}", "line 2, column 8: expected a value, found 't'"),
        ("{\"a\": 1,}", "line 1, column 9: expected a key in quotation marks, found '}'"),
        ("{\"a\" 1}", "line 1, column 6: expected a colon, found '1'"),
        ("[1 2]", "line 1, column 4: expected a comma or ], found '2'"),
        ("[1, 2", "line 1, column 6: expected a comma or ], found the end of the text"),
        ("[01]", "line 1, column 2: expected a number without leading zeros, found '0'"),
        ("[1.]", "line 1, column 4: expected a digit, found ']'"),
        ("[] x", "line 1, column 4: expected the end of the text, found 'x'"),
        ("[\n\"abc", "line 2, column 1: the text that begins here has no closing quotation mark"),
        (#"["\ud800"]"#, "line 1, column 3: a surrogate without its other half"),
        (#"["\ud800A"]"#, "line 1, column 3: a surrogate without its other half"),
        (#"["\x"]"#, "line 1, column 4: expected one of the escape sequences of JSON, found 'x'"),
        (#"["\u12g4"]"#, "line 1, column 7: expected four hexadecimal digits, found 'g'"),
        (#"{"a": {"$oid": "12"}}"#, "line 1, column 7: $oid needs 24 hexadecimal digits in a text"),
        (#"{"b": 1, "$oid": "12"}"#, "line 1, column 1: $oid cannot stand beside other keys"),
    ])
    func `Errors name the place and what was expected`(text: String, message: String) {
        let error = #expect(throws: BSONError.self) { try BSONValue(extendedJSON: text) }
        #expect(error?.message == message)
    }

    @Test(arguments: [
        "[1,]", "[,1]", "{,}", "[+1]", "[.5]", "[1e]", "[-]", "[--1]", "[00]", "[-01]", "[0x1]", "['a']", "{a: 1}",
        "[\"\t\"]", "nul", "truefalse", "[NaN]", "// no", "\u{FEFF}1", "[1]]", "\"\\u00\"", "{\"a\":1 \"b\":2}",
    ])
    func `What is not JSON is refused`(text: String) {
        #expect(throws: BSONError.self) { try BSONValue(extendedJSON: text) }
    }

    @Test func `Bytes that are not UTF-8 are refused`() {
        #expect(throws: BSONError.self) { try BSONValue(extendedJSON: [0x22, 0xFF, 0x22] as [UInt8]) }
    }

    @Test func `Escapes and surrogates survive`() throws {
        let value = try BSONValue(extendedJSON: #""\ud83d\ude00\u00e9\/\"\\\b\f\n\r\t\u0000""#)
        #expect(value == .string("😀é/\"\\\u{08}\u{0C}\n\r\t\u{0}"))
        #expect(value.extendedJSON() == #""😀é/\"\\\b\f\n\r\t\u0000""#)
    }

    @Test func `A root that is no document is refused for a document only`() throws {
        let text = #"{"$oid": "56e1fc72e0c917e9c4714161"}"#
        #expect(try BSONValue(extendedJSON: text).objectIDValue?.description == "56e1fc72e0c917e9c4714161")
        #expect(throws: BSONError.self) { try BSONDocument(extendedJSON: text) }
    }

    @Test func `Query operators stay documents`() throws {
        let text =
            #"{"n": {"$gt": 1, "$in": [1, 2]}, "t": {"$type": "string"}, "$scope": 1, "r": {"$ref": "a", "$id": 1}}"#
        #expect(try BSONDocument(extendedJSON: text).extendedJSON() == text)
    }

    @Test func `Pretty text is indented by two spaces`() throws {
        let document: BSONDocument = [
            "a": 1, "b": [1, ["c": nil]], "e": [], "f": [:], "d": .dateTime(.init(millisecondsSince1970: 1)),
        ]
        #expect(
            document.extendedJSON(pretty: true) == """
                {
                  "a": 1,
                  "b": [
                    1,
                    {
                      "c": null
                    }
                  ],
                  "e": [],
                  "f": {},
                  "d": {"$date": "1970-01-01T00:00:00.001Z"}
                }
                """
        )
        #expect(
            "\(document)"
                == #"{"a": 1, "b": [1, {"c": null}], "e": [], "f": {}, "d": {"$date": "1970-01-01T00:00:00.001Z"}}"#
        )
    }

    @Test func `Every double reads back as itself`() throws {
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<20_000 {
            let number = Double(bitPattern: generator.next())
            for mode in [ExtendedJSONMode.canonical, .relaxed] {
                let reread = try BSONValue(extendedJSON: BSONValue.double(number).extendedJSON(mode))
                guard case .double(let copy) = reread else { throw BSONError(.malformedJSON, "\(reread)") }
                #expect(copy == number || (copy.isNaN && number.isNaN))
            }
        }
    }

    @Test func `Base64 of every length survives`() throws {
        for count in 0..<70 {
            let value = BSONValue.binary(
                BSONBinary(subtype: 0x80, bytes: (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37) })
            )
            #expect(try BSONValue(extendedJSON: value.extendedJSON()) == value)
        }
        for text in ["A", "AA", "AAA", "A===", "====", "AA=A", "AA==AAAA", "A A=", "-_AA"] {
            let binary = #"{"$binary": {"base64": "\#(text)", "subType": "00"}}"#
            #expect(throws: BSONError.self) { try BSONValue(extendedJSON: binary) }
        }
    }
}
