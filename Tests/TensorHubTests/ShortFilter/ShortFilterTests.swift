import BSON
import Testing

@testable import TensorHub

/// What a short filter becomes, without a server.
@Suite struct ShortFilterTests {
    private static func regex(_ pattern: String) -> BSONValue {
        .regularExpression(BSONRegularExpression(pattern: pattern, options: "s"))
    }

    /// A bare name of a task: result, tag, hyper-parameter.
    private static func chain(_ name: String, _ operators: BSONDocument, last: BSONDocument? = nil) -> BSONDocument {
        let missing: BSONDocument = ["$exists": false]
        let (result, parameter) = ("result.\(name)", "hyper_parameters.\(name)")
        return [
            "$or": [
                [result: .document(operators)],
                [result: .document(missing), name: .document(operators)],
                [result: .document(missing), name: .document(missing), parameter: .document(last ?? operators)],
            ]
        ]
    }

    private static let id = "65f0c0ffee0123456789abcd"
    private static let other = "65f0c0ffee0123456789abce"

    static let tasks: [(text: String, document: BSONDocument)] = [
        ("state:failed", ["status": "failed"]),
        ("  status:failed,cancelled\t", ["status": ["$in": ["failed", "cancelled"]]]),
        ("state: \"failed\"", ["status": "failed"]),
        ("name:mnist", ["task_name": "mnist"]),
        ("name:mnist*", ["task_name": regex("^mnist")]),
        ("name:*.v2", ["task_name": regex("\\.v2\\z")]),
        ("name:*a*b*", ["task_name": regex("a.*b")]),
        ("name:a**b", ["task_name": regex("^a.*b\\z")]),
        ("name:*", ["task_name": regex("")]),
        ("name:\"my task*\"", ["task_name": "my task*"]),
        ("name:\"my task \"*", ["task_name": regex("^my\\ task\\ ")]),
        ("name:$where", ["task_name": "$where"]),
        ("name:\"\"", ["task_name": ""]),
        ("name:a:b=c", ["task_name": "a:b=c"]),
        ("id:\(id)", ["_id": .objectID(ObjectID(id)!)]),
        ("id:\(id),\(other)", ["_id": ["$in": [.objectID(ObjectID(id)!), .objectID(ObjectID(other)!)]]]),
        (
            "host:gpu-*",
            ["$or": [["hub.history.machine": regex("^gpu\\-")], ["hub.history.host": regex("^gpu\\-")]]]
        ),
        ("runner:gpu-1", ["hub.history.host": "gpu-1"]),
        (
            "age<2h",
            [
                "time": ["$type": "date"],
                "$expr": ["$gt": ["$time", ["$subtract": ["$$NOW", .int64(7_200_000)]]]],
            ]
        ),
        (
            "age>=1.5d",
            [
                "time": ["$type": "date"],
                "$expr": ["$lte": ["$time", ["$subtract": ["$$NOW", .int64(129_600_000)]]]],
            ]
        ),
        ("lr<0.01", chain("lr", ["$lt": 0.01])),
        ("lr < 0.01", chain("lr", ["$lt": 0.01])),
        ("lr>=1e-3", chain("lr", ["$gte": 0.001])),
        ("n=5", chain("n", ["$eq": 5])),
        ("n==5", chain("n", ["$eq": 5])),
        ("n=007", chain("n", ["$eq": "007"])),
        ("n=\"5\"", chain("n", ["$eq": "5"])),
        ("n>\"5\"", chain("n", ["$gt": "5"])),
        ("flag=true", chain("flag", ["$eq": true])),
        ("flag!=false", chain("flag", ["$exists": true, "$ne": false])),
        ("loss=NaN", chain("loss", ["$eq": .double(.nan)])),
        ("loss<Infinity", chain("loss", ["$lt": .double(.infinity)])),
        ("tag=baseline", chain("tag", ["$eq": "baseline"])),
        ("optimizer.lr=-1", chain("optimizer.lr", ["$eq": -1])),
        ("\"learning rate\"=1", chain("learning rate", ["$eq": 1])),
        ("model=resnet*", chain("model", ["$regex": regex("^resnet")])),
        ("model!=*net", chain("model", ["$exists": true, "$not": ["$regex": regex("net\\z")]])),
        ("accuracy=*", chain("accuracy", ["$exists": true])),
        (
            "accuracy!=*",
            [
                "result.accuracy": ["$exists": false], "accuracy": ["$exists": false],
                "hyper_parameters.accuracy": ["$exists": false],
            ]
        ),
        ("accuracy=null", chain("accuracy", ["$exists": true, "$eq": .null], last: ["$eq": .null])),
        ("accuracy!=null", chain("accuracy", ["$exists": true, "$ne": .null])),
        ("result.acc>0.9", ["result.acc": ["$gt": 0.9]]),
        ("parameter.age<30", ["hyper_parameters.age": ["$lt": 30]]),
        ("hyper_parameters.name=x", ["hyper_parameters.name": ["$eq": "x"]]),
        ("tag.where=1", ["where": ["$eq": 1]]),
        ("hub.priority>3", ["hub.priority": ["$gt": 3]]),
        (
            "time<10",
            [
                "$or": [
                    ["result.time": ["$lt": 10]],
                    ["result.time": ["$exists": false], "hyper_parameters.time": ["$lt": 10]],
                ]
            ]
        ),
        ("state:failed name:a", ["$and": [["status": "failed"], ["task_name": "a"]]]),
    ]

    @Test func `Each form becomes one MongoDB filter`() throws {
        for (text, document) in Self.tasks {
            #expect(try Filter(short: text).document == document, "\(text)")
        }
    }

    @Test func `Data sets, models and logs have their own names and places`() throws {
        func document(_ text: String, _ subject: ShortFilter.Subject) throws -> BSONDocument {
            try Filter(short: text, for: subject).document
        }
        #expect(try document("name:mnist", .dataSets) == ["dataset_name": "mnist"])
        #expect(try document("name:m*", .models) == ["model_name": Self.regex("^m")])
        #expect(try document("accuracy>0.9", .models) == ["accuracy": ["$gt": 0.9]])
        #expect(try document("architecture.layers=3", .models) == ["architecture.layers": ["$eq": 3]])
        #expect(try document("hub.size>1e9", .dataSets) == ["hub.size": ["$gt": 1e9]])
        #expect(try document("task:\(Self.id)", .models) == ["hub.task": .objectID(ObjectID(Self.id)!)])
        #expect(try document("loss<0.5", .logs) == ["loss": ["$lt": 0.5]])
        #expect(try document("value.id=3", .logs) == ["id": ["$eq": 3]])
        #expect(try document("split=null", .dataSets) == ["split": ["$eq": .null]])
    }

    static let faults: [(text: String, word: String, column: Int, part: String)] = [
        ("state:faild", "faild", 7, "did you mean 'failed'"),
        ("state:failed,done", "failed,done", 7, "'done' is no state"),
        ("a stat:failed", "stat", 3, "did you mean state:"),
        ("12:30", "12", 1, "stands in quotes"),
        ("id:xyz", "xyz", 4, "24 hexadecimal digits"),
        ("lr<", "lr", 1, "no value behind '<'"),
        ("a lr < ", "lr", 3, "no value behind '<'"),
        ("<0.1", "<0.1", 1, "no name in front"),
        ("lr=>0.1", "=>", 3, "= != < <= > >="),
        ("lr<0,01", "0,01", 4, "compares numbers"),
        ("lr<true", "true", 4, "compares numbers"),
        ("lr<NaN", "NaN", 4, "compares numbers"),
        ("0.1<lr<0.5", "0.1", 1, "the name first"),
        ("lr>0.1<0.5", "0.1<0.5", 4, "two conditions"),
        ("n=18446744073709551615", "18446744073709551615", 3, "64 bits"),
        ("n=1e400", "1e400", 3, "too large"),
        ("n=[1,2]", "[1,2]", 3, "--filter"),
        ("n<a*", "a*", 3, "= and !="),
        ("na*me=1", "na*me", 1, "no '*'"),
        ("$where=1", "$where", 1, "begins with '$'"),
        ("result.$where=1", "result.$where", 1, "begins with '$'"),
        ("a..b=1", "a..b", 1, "dots"),
        (".a=1", ".a", 1, "dots"),
        ("result.=1", "result.", 1, "dots"),
        ("\"\"=1", "\"\"", 1, "dots"),
        ("state=failed", "state", 1, "state:failed"),
        ("name=mnist", "name", 1, "parameter.name=mnist"),
        ("task_name=mnist", "task_name", 1, "name:mnist"),
        ("_id=1", "_id", 1, "id:1"),
        ("tag.status=1", "tag.status", 1, "TensorHub's own"),
        ("age<30", "30", 5, "parameter.age<30"),
        ("age=2h", "age", 1, "compared by"),
        ("age:2h", "age", 1, "age<2h"),
        ("architecture.x=1", "architecture.x", 1, "nothing of that kind"),
        ("task:\(id)", "task", 1, "nothing of that kind"),
        ("name:\"open", "\"open", 6, "not closed"),
        ("a AND b", "AND", 3, "separated by blanks"),
        ("a || b", "||", 3, "separated by blanks"),
        ("{\"a\":1}", "{\"a\"", 1, "--filter"),
        ("*", "*", 1, "in every text"),
        ("\"\"", "\"\"", 1, "in every text"),
        ("a\0b", "a", 1, "NUL"),
        ("é \u{301}x:1", "\u{301}x", 3, "no field"),
    ]

    @Test func `What cannot be understood is named with its place and the fix`() {
        for (text, word, column, part) in Self.faults {
            do {
                let filter = try Filter(short: text)
                Issue.record("'\(text)' became \(filter)")
            } catch {
                #expect(error.code == .invalidInput && error.field == "where")
                #expect(error.message.bytes.hasPrefix("where: '\(word)' at character \(column): "), "\(error.message)")
                #expect(error.message.contains(part), "\(text): \(error.message)")
            }
        }
    }

    @Test func `Near names are given to programs too, and what is empty or too much is refused`() {
        let state = #expect(throws: HubError.self) { try Filter(short: "state:finishd") }
        #expect(state?.suggestions == ["finished"])
        let field = #expect(throws: HubError.self) { try Filter(short: "naem:x") }
        #expect(field?.suggestions.first == "name")
        for text in ["", "  \n"] {
            let error = #expect(throws: HubError.self) { try Filter(short: text) }
            #expect(error?.message.contains("leave it out") == true)
        }
        let many = #expect(throws: HubError.self) {
            try Filter(short: Array(repeating: "a", count: 51).joined(separator: " "))
        }
        #expect(many?.message.contains("50 is the limit") == true)
        let long = #expect(throws: HubError.self) { try Filter(short: "n=" + String(repeating: "x", count: 1001)) }
        #expect(long?.message.contains("1000 bytes") == true)
        let json = #expect(throws: HubError.self) { try Filter(short: "{}") }
        #expect(json?.message.contains("--filter") == true)
    }

    @Test func `No text becomes an operator of MongoDB's that a script may not use`() throws {
        for text in ["$where", "\"$where\" $function", "a=$where", "name:$out", "hub.a=$merge", "\"a b\"=\"$where\""] {
            for subject in ShortFilter.Subject.allCases {
                guard let filter = try? Filter(short: text, for: subject) else { continue }
                try QueryDanger.check(filter.document, field: "where")
            }
        }
    }

    @Test func `A state in it is seen`() throws {
        #expect(try ShortFilter("lr<1 state:failed").isAboutState)
        #expect(try !ShortFilter("lr<1 state").isAboutState)
    }
}
