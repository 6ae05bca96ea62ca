import BSON
import Glibc
import TensorHub
import TestSupport
import Testing

/// Values of every kind go in at the command line and come out equal, or are refused and nothing is stored.
/// `TENSORHUB_PROPERTY_COUNT` says how many, `TENSORHUB_PROPERTY_SEED` which.
@Suite struct ValueDoorTests {
    /// Something that is sent, and whether what comes back is equal to it.
    private struct Sent {
        var line: String
        var isEqual: (BSONDocument) -> Bool
    }

    private static let batch = 500

    @Test func `Hyper-parameters of lines come back equal, or their line is named`() async throws {
        try await withCommands { fixture in
            var values = ArbitraryValue(door: "submit --each")
            let count = ArbitraryValue.count(1500)
            let script = try fixture.file("t.py", "pass")
            var sentByID: [String: Sent] = [:]
            var refused = 0
            for start in stride(from: 0, to: count, by: Self.batch) {
                var waiting = (start..<min(count, start + Self.batch)).map { _ in Self.line(&values) }
                while !waiting.isEmpty {
                    let result = try await fixture.run(
                        "tensorhub",
                        ["submit", script, "--hold", "--each", "-"],
                        input: waiting.map { $0.line + "\n" }.joined()
                    )
                    if result.status == 0 {
                        try #require(result.lines.count == waiting.count)
                        for (id, sent) in zip(result.lines, waiting) { sentByID[id] = sent }
                        break
                    }
                    let number = try #require(Self.number(after: "line ", result.errors), "\(result.errors)")
                    #expect(result.status == 2 && result.output.isEmpty, "\(result.errors)")
                    waiting.remove(at: number - 1)
                    refused += 1
                }
            }
            let stored = try await fixture.hub.findTasks(TaskSelection.all)
            #expect(stored.count == sentByID.count && stored.count + refused == count && stored.count > count / 2)
            for task in stored {
                let id = try #require(task.id)
                let sent = try #require(sentByID["\(id)"])
                #expect(sent.isEqual(try #require(task.hyperParameters)), "\(sent.line) became \(task.document)")
            }
            let listed = try await fixture.run("ls", "--json", "--limit", "0").output
            let documents = try #require(try BSONValue(extendedJSON: listed).arrayValue)
            #expect(documents.count == stored.count)
            for (task, shown) in zip(stored.sorted { $0.id! < $1.id! }, documents.sorted(by: Self.byID)) {
                #expect(shown.extendedJSON().utf8.elementsEqual(task.document.extendedJSON().utf8))
            }
        }
    }

    @Test func `Values of log entries come back equal by JSON and by CSV, or their line is named`() async throws {
        try await withCommands { fixture in
            var values = ArbitraryValue(door: "log add")
            let count = ArbitraryValue.count(1500)
            var waiting = (0..<count).map { _ in Self.line(&values) }
            var sentByID: [String: Sent] = [:]
            var refused = 0
            while !waiting.isEmpty {
                let result = try await fixture.run(
                    "tensorhub",
                    ["log", "add", "training", "-"],
                    input: waiting.map { $0.line + "\n" }.joined()
                )
                for (id, sent) in zip(result.lines, waiting) { sentByID[id] = sent }
                if result.status == 0 { break }
                let number = try #require(Self.number(after: "line ", result.errors), "\(result.errors)")
                try #require(result.lines.count == number - 1)
                waiting.removeFirst(number)
                refused += 1
            }
            let exported = try await fixture.run("log", "export", "training", "--format", "json").lines
            #expect(exported.count == sentByID.count && exported.count + refused == count)
            for line in exported {
                let entry = LogEntry(try BSONDocument(extendedJSON: line))
                let id = try #require(entry.id)
                let sent = try #require(sentByID["\(id)"])
                #expect(sent.isEqual(try Self.values(of: entry, sentAs: sent.line)), "\(sent.line) became \(line)")
            }
            let table = try await fixture.run("log", "export", "training").output
            let rows = CSVReader.rows(Array(table.utf8))
            let columns = try #require(rows.first)
            #expect(Set(columns).count == columns.count && rows.count == exported.count + 1)
            #expect(rows.allSatisfy { $0.count == columns.count })
        }
    }

    @Test func `Arguments come back equal as hyper-parameters and tags, or the one is named`() async throws {
        try await withCommands { fixture in
            var values = ArbitraryValue(door: "submit -p --tag --name")
            let count = ArbitraryValue.count(1000)
            let script = try fixture.file("t.py", "pass")
            for start in stride(from: 0, to: count, by: 200) {
                var waiting = (start..<min(count, start + 200)).map {
                    index -> (key: String, text: String, value: BSONValue) in
                    if values.int(2) == 0 {
                        let text = "~" + values.text().filter { $0 != "\0" }.replacing("\0", with: "")
                        return ("k\(index)", text, .string(text))
                    }
                    // Of a key twice the last value counts.
                    let value = BSONDocument(elements: [("v", values.value())]).withoutRepeatedKeys["v"] ?? .null
                    return ("k\(index)", value.extendedJSON(.canonical).replacing("\\u0000", with: ""), value)
                }
                let name = "~" + values.text().unicodeScalars.filter { $0 != "\0" }.map(String.init).joined()
                while true {
                    let flags = waiting.flatMap { ["-p", "\($0.key)=\($0.text)", "--tag", "\($0.key)=\($0.text)"] }
                    let result = try await fixture.run(
                        "tensorhub",
                        ["submit", script, "--hold", "--name", String(name.prefix(200))] + flags
                    )
                    if result.status != 0 {
                        let number = try #require(Self.number(after: "k", result.errors), "\(result.errors)")
                        #expect(result.status == 2 && result.output.isEmpty)
                        waiting.removeAll { $0.key == "k\(number)" }
                        continue
                    }
                    let task = try await fixture.hub.task(try #require(ObjectID(result.lines.first ?? "")))
                    #expect(task.name?.utf8.elementsEqual(String(name.prefix(200)).utf8) == true)
                    for (key, text, _) in waiting {
                        for stored in [task.hyperParameters?[key], task.tags[key]] {
                            let expected = text.utf8.first == UInt8(ascii: "~") ? text : nil
                            if let expected {
                                #expect(stored?.stringValue?.utf8.elementsEqual(expected.utf8) == true, "\(text)")
                            } else {
                                #expect(
                                    stored?.extendedJSON(.canonical).utf8.elementsEqual(text.utf8) == true,
                                    "\(text)"
                                )
                            }
                        }
                    }
                    break
                }
            }
        }
    }

    @Test func `Results of a script come back equal`() async throws {
        try await withCommands { fixture in
            var values = ArbitraryValue(door: "result.json")
            let count = ArbitraryValue.count(1000)
            let script = try fixture.file("t.sh", "cp values.json \"$TENSORHUB_RESULT_FILE\"\n")
            var sent: [String: BSONDocument] = [:]
            for start in stride(from: 0, to: count, by: Self.batch) {
                let document = BSONDocument(
                    elements: (start..<min(count, start + Self.batch)).map {
                        ("\($0)\(values.pick(["", ".", "a.b", "\u{e9}", "e\u{301}"]))", values.plainValue())
                    }
                )
                let file = try fixture.file("values.json", document.extendedJSON())
                let result = try await fixture.run("submit", script, "--file", file)
                sent[try #require(result.lines.first, "\(result.errors)")] = document
            }
            try await fixture.withDaemon("--slots", "2") {
                let waited = try await fixture.run("wait", "-q", "--timeout", "2m")
                #expect(waited.status == 0, "\(waited.errors)")
            }
            let shown = try BSONValue(extendedJSON: try await fixture.run("results", "--json").output).arrayValue ?? []
            #expect(shown.count == sent.count)
            for task in shown.compactMap(\.documentValue) {
                let id = try #require(task["_id"]?.objectIDValue)
                let document = try #require(sent["\(id)"])
                for found in [task["result"]?.documentValue, try await fixture.hub.task(id).result] {
                    #expect(found?.extendedJSON().utf8.elementsEqual(document.extendedJSON().utf8) == true)
                }
            }
            let rows = CSVReader.rows(Array(try await fixture.run("results", "--csv").output.utf8))
            let columns = try #require(rows.first)
            #expect(Set(columns).count == columns.count)
        }
    }

    /// What the entry has of the user's. An identifier that a line brings is the entry's own, and none of its values.
    private static func values(of entry: LogEntry, sentAs line: String) throws -> BSONDocument {
        let sent = try BSONDocument(extendedJSON: line).withoutRepeatedKeys
        guard sent["_id"] != nil else { return entry.values }
        var values = entry.values.map { ($0.key, $0.value) }
        let place = sent.keys.prefix { $0 != "_id" }.count
        values.insert(("_id", entry.document["_id"] ?? .null), at: min(place, values.count))
        return BSONDocument(elements: values)
    }

    // MARK: What is sent

    private static func line(_ values: inout ArbitraryValue) -> Sent {
        switch values.int(4) {
        case 0:
            let number = values.writtenNumber()
            return Sent(line: "{\"n\": \(number), \"deep\": [{\"n\": \(number)}]}") {
                reads($0["n"], number) && reads($0.value(atPath: "deep.0.n"), number)
            }
        case 1:
            let document = values.document().withoutRepeatedKeys
            return Sent(line: document.extendedJSON()) {
                $0.extendedJSON().utf8.elementsEqual(document.extendedJSON().utf8)
            }
        default:
            let document = values.document(ofPlainKeys: true)
            let expected = document.withoutRepeatedKeys.extendedJSON(.canonical)
            return Sent(line: document.extendedJSON(.canonical)) {
                $0.extendedJSON(.canonical).utf8.elementsEqual(expected.utf8)
            }
        }
    }

    /// Whether a value reads as the number was written; by the C library, not by our own.
    private static func reads(_ value: BSONValue?, _ written: String) -> Bool {
        if written.utf8.allSatisfy({ !".eE".utf8.contains($0) }) {
            return value?.intValue.map { "\($0)" == written || written == "-0" && $0 == 0 } == true
        }
        guard case .double(let number)? = value, number == strtod(written, nil), number.isFinite else { return false }
        let mantissa = written.prefix { $0 != "e" && $0 != "E" }
        if number == 0 { return mantissa.allSatisfy { "-+0.".contains($0) } }
        guard number.magnitude >= 0x1p53, mantissa.utf8.count == written.utf8.count else { return true }
        // Without an exponent every digit counts.
        let decimals = mantissa.utf8.count - (mantissa.firstIndex(of: ".").map { mantissa[...$0].utf8.count } ?? 0)
        return withVaList([Int32(decimals), number]) { list in
            var buffer = [CChar](repeating: 0, count: 400)
            let size = buffer.count
            let count = vsnprintf(&buffer, size, "%.*f", list)
            return buffer.prefix(Int(count)).map { UInt8(bitPattern: $0) }.elementsEqual(written.utf8)
        }
    }

    private static func number(after word: String, _ text: String) -> Int? {
        for piece in text.components(after: word) {
            if let number = Int(piece.prefix { $0.isNumber }) { return number }
        }
        return nil
    }

    private static func byID(_ a: BSONValue, _ b: BSONValue) -> Bool {
        (a.documentValue?["_id"]?.objectIDValue ?? ObjectID()) < (b.documentValue?["_id"]?.objectIDValue ?? ObjectID())
    }
}

/// Reads what is written as RFC 4180.
private enum CSVReader {
    static func rows(_ bytes: [UInt8]) -> [[[UInt8]]] {
        var rows: [[[UInt8]]] = []
        var row: [[UInt8]] = []
        var field: [UInt8] = []
        var isQuoted = false
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            if isQuoted {
                if byte != 0x22 {
                    field.append(byte)
                } else if index < bytes.count, bytes[index] == 0x22 {
                    field.append(byte)
                    index += 1
                } else {
                    isQuoted = false
                }
            } else if byte == 0x22 {
                isQuoted = true
            } else if byte == 0x2C || byte == 0x0A {
                row.append(field)
                field = []
                if byte == 0x0A {
                    rows.append(row)
                    row = []
                }
            } else {
                field.append(byte)
            }
        }
        return rows
    }
}

extension String {
    /// What stands behind each of the word.
    fileprivate func components(after word: String) -> [Substring] {
        var result: [Substring] = []
        var rest = self[...]
        while let range = rest.firstRange(of: word) {
            rest = rest[range.upperBound...]
            result.append(rest)
        }
        return result
    }
}
