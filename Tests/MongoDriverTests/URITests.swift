import BSON
import MongoDriver
import TestSupport
import Testing

@Suite struct URITests {
    static let password = "pa55-w0rd"

    @Test(arguments: [
        "", "localhost", "http://localhost", "mongodb://", "mongodb://:27017", "mongodb://host:port",
        "mongodb://host:99999", "mongodb://host/?replicaSet", "mongodb://a,b/?directConnection=true",
        "mongodb://host/\0", "mongodb://user:\(password)@", "mongodb://user:\(password)@host:xx",
        "mongodb://us:er:\(password)@host", "mongodb://user:\(password)%zz@host",
        "mongodb://user:\(password)@@host", "mongodb://user:\(password)", "mongodb://user:1/\(password)@host",
        "mongodb://user:1/x?\(password)=1@host", "mongodb://host/?authMechanism=\(password)",
        "mongodb://user:\"\(password)%@host", "mongodb://host/?retryWrites=\(password)",
        "mongodb://user:\(password)/@host", "mongodb+srv://",
        "mongodb+srv://user:\(password)@host:27017", "mongodb://host/?tlsCertificateKeyFilePassword=%zz\(password)",
    ])
    func `A malformed URI is refused with a sentence that does not hold the password`(uri: String) async {
        let error = await failure { _ = try MongoClient(uri: uri) }
        #expect(error?.code == .invalidURI)
        #expect(error?.message.isEmpty == false)
        #expect("\(String(describing: error))".contains(Self.password) == false)
    }

    @Test(arguments: [
        ("mongodb://host", "mongodb://host"),
        ("mongodb://user@host/db", "mongodb://user@host/db"),
        ("mongodb://user:\(password)@host:1/db?w=1", "mongodb://user:***@host:1/db?w=1"),
        ("mongodb://user:\(password)%40x@a,b/db", "mongodb://user:***@a,b/db"),
        ("mongodb://host/?appname=a@b", "mongodb://host/?appname=a@b"),
        ("mongodb://user:1?a=\(password)@host/?w=1", "mongodb://user:***@host/?w=1"),
        ("mongodb://user%3A\(password)@host/", "mongodb://***@host/"),
        ("mongodb://user:@host/", "mongodb://user:***@host/"),
        (
            "mongodb://h/?tls=true&tlsCertificateKeyFilePassword=\(password)&w=1",
            "mongodb://h/?tls=true&tlsCertificateKeyFilePassword=***&w=1"
        ),
    ])
    func `The redacted URI shows everything but secrets`(uri: String, expected: String) async throws {
        let client = try MongoClient(uri: uri)
        #expect(client.redactedURI == expected)
        await client.close()
    }

    @Test func `The path names the default database`() async throws {
        let named = try MongoClient(uri: "mongodb://localhost/team?w=1")
        #expect(named.defaultDatabaseName == "team")
        let unnamed = try MongoClient(uri: "mongodb://localhost")
        #expect(unnamed.defaultDatabaseName == nil)
        await named.close()
        await unnamed.close()
    }

    @Test func `What the URI says wins over the options`() async throws {
        var options = MongoClient.Options()
        options.serverSelectionTimeout = .seconds(600)
        options.applicationName = "option"
        let port = try freeLoopbackPort()
        let client = try MongoClient(uri: "mongodb://127.0.0.1:\(port)/?serverSelectionTimeoutMS=100", options: options)
        let start = ContinuousClock.now
        let run = await failure { try await client.database("x").runCommand(["ping": 1]) }
        #expect(run?.code == .unreachable)
        #expect(ContinuousClock.now - start < .seconds(300))
        await client.close()

        let uri = try await TestMongo.shared()
        let named = try MongoClient(uri: uri + (uri.contains("?") ? "&" : "/?") + "appname=fromURI", options: options)
        let operations = try await named.database("admin").runCommand([
            "aggregate": 1, "pipeline": [["$currentOp": [:]], ["$match": ["appName": "fromURI"]]], "cursor": [:],
        ])
        #expect(operations["cursor"]?.documentValue?["firstBatch"]?.arrayValue?.isEmpty == false)
        await named.close()
    }
}
