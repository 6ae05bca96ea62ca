import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

@testable import HubAPI

@Suite struct DirectRouteTests {
    @Test func `Log entries are saved, read in order, counted once under one identifier, and deleted`() async throws {
        try await withDirectServer { fixture in
            let client = fixture.client
            let id = ObjectID()
            for _ in 0..<2 {
                let body = "[{\"_id\": {\"$oid\": \"\(id)\"}, \"loss\": 0.5}]"
                #expect(try await client.send("POST", "/v1/logs/training", body).status == 202)
            }
            #expect(
                try await client.send("POST", "/v1/logs/training", "[{\"loss\": 0.4}, {\"loss\": 0.3}]").status == 202
            )
            let all = try await client.send("GET", "/v1/logs/training")
            #expect(all.status == 200)
            #expect(all.array.map { $0["loss"]?.doubleValue } == [0.5, 0.4, 0.3])
            #expect(all.array.allSatisfy { $0["project_name"] == "default" && $0["time"]?.dateTimeValue != nil })
            let some = try await client.send("GET", "/v1/logs/training?sort=loss:1&limit=1&skip=1")
            #expect(some.array.map { $0["loss"]?.doubleValue } == [0.4])
            let below = "filter=%7B%22loss%22%3A%20%7B%22%24lt%22%3A%200.45%7D%7D"
            #expect(try await client.send("DELETE", "/v1/logs/training?\(below)").json == ["deleted": 2])
            #expect(try await client.send("GET", "/v1/logs/training").array.count == 1)
            #expect(try await client.send("GET", "/v1/logs/testing").text == "[]")
            let many = (0..<5000).map { "{\"step\": \($0)}" }.joined(separator: ", ")
            #expect(try await client.send("POST", "/v1/logs/testing", "[\(many)]").status == 202)
            let steps = try await client.send("GET", "/v1/logs/testing").array.map { $0["step"]?.intValue }
            #expect(steps == (0..<5000).map { $0 })
            let rest = try await client.send("GET", "/v1/logs/testing?skip=4990&limit=20").array.count
            #expect(rest == 10)
        }
    }

    @Test func `A data set comes back byte for byte, whole and in ranges, and its name is suggested`() async throws {
        try await withDirectServer { fixture in
            let client = fixture.client
            let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 13 >> 2) }
            let put = try await client.send(
                "PUT",
                "/v1/datasets/mnist?tags=%7B%22part%22%3A%22train%22%7D",
                bytes: bytes
            )
            #expect(put.status == 201)
            #expect(put.json.value(atPath: "document.hub.version") == 1)
            #expect(fixture.spooled == [])
            let whole = try await client.send("GET", "/v1/datasets/mnist")
            #expect(whole.status == 200)
            #expect(whole.body == bytes)
            let tag = "\"\(SHA256.hex(of: bytes))\""
            #expect(whole.headers["etag"] == tag)
            #expect(whole.headers["accept-ranges"] == "bytes")
            let part = try await client.send("GET", "/v1/datasets/mnist", nil, ["Range": "bytes=300000-300009"])
            #expect(part.status == 206)
            #expect(part.body == Array(bytes[300_000..<300_010]))
            #expect(part.headers["content-range"] == "bytes 300000-300009/1000000")
            let beyond = try await client.send("GET", "/v1/datasets/mnist", nil, ["Range": "bytes=1000000-"])
            #expect(beyond.status == 416)
            #expect(beyond.headers["content-range"] == "bytes */1000000")
            let other = ["Range": "bytes=0-1", "If-Range": "\"other\""]
            #expect(try await client.send("GET", "/v1/datasets/mnist", nil, other).status == 200)
            #expect(try await client.send("GET", "/v1/datasets/mnist", nil, ["If-None-Match": tag]).status == 304)
            let described = try await client.send("GET", "/v1/datasets/mnist", nil, ["Accept": "application/json"]).json
            #expect(described.value(atPath: "document.part") == "train")
            let local = try #require(described.value(atPath: "files.0.local")?.stringValue)
            #expect(try readFile(local) == bytes)
            #expect(described.value(atPath: "files.0.size")?.intValue == bytes.count)
            let unfetched = try await client.send(
                "GET",
                "/v1/datasets/mnist?fetch=false",
                nil,
                ["Accept": "application/json"]
            )
            #expect(unfetched.json.value(atPath: "files.0.local") == .null)
            let near = try await client.send("GET", "/v1/datasets/mnits")
            #expect(near.status == 404)
            #expect(near.json.value(atPath: "error.suggestions") == ["mnist"])
            #expect(try await client.send("GET", "/v1/datasets?name=mnist").array.count == 1)
            #expect(try await client.send("GET", "/v1/datasets/-").body == bytes)
            #expect(try await client.send("GET", "/v1/datasets/mnist?version=7").code == "not-found")
            #expect(try await client.send("DELETE", "/v1/datasets?name=mnist").json == ["deleted": 1])
        }
    }

    @Test func `Of a data set of several files each is read by its path`() async throws {
        try await withDirectServer { fixture in
            let client = fixture.client
            var files: [String] = []
            for index in 0..<3 {
                let upload = try await client.send("POST", "/v1/uploads", bytes: [UInt8(index)]).json["upload"]
                files.append("{\"path\": \"part/\(index)\", \"upload\": \(upload ?? .null)}")
            }
            let put = try await client.send(
                "PUT",
                "/v1/datasets/parts",
                "{\"files\": [\(files.joined(separator: ", "))]}"
            )
            #expect(put.status == 201)
            #expect(put.json.value(atPath: "document.hub.kind") == "folder")
            let several = try await client.send("GET", "/v1/datasets/parts")
            #expect(several.status == 409)
            #expect(several.code == "several-files")
            #expect(try await client.send("GET", "/v1/datasets/parts?file=part%2F2").body == [2])
            let missing = try await client.send("GET", "/v1/datasets/parts?file=part")
            #expect(missing.status == 404)
            #expect(missing.json.value(atPath: "error.suggestions.0") == "part/0")
            let shard = try await client.send(
                "GET",
                "/v1/datasets/parts?shard=1/2&fetch=false",
                nil,
                ["Accept": "application/vnd.x+json"]
            )
            #expect(shard.json.value(atPath: "files.0.path") == "part/1")
            #expect(shard.json.value(atPath: "files.1") == nil)
            #expect(try await client.send("GET", "/v1/datasets/parts?shard=3/9").code == "bad-shard")
        }
    }

    @Test func `A folder of one file keeps its path, and its bytes come only by that`() async throws {
        try await withDirectServer { fixture in
            let client = fixture.client
            let upload = try await client.send("POST", "/v1/uploads", bytes: [7]).json["upload"] ?? .null
            let files = "\"files\": [{\"path\": \"train/x.csv\", \"upload\": \(upload)}]"
            for bad in ["{\(files), \"kind\": \"file\"}"] {
                let refused = try await client.send("PUT", "/v1/datasets/d", bad)
                #expect(refused.status == 400 && refused.field == "kind", "\(refused.text)")
            }
            #expect(try await client.send("PUT", "/v1/datasets/d", "{\(files)}").status == 201)
            #expect(try await client.send("PUT", "/v1/models/d?file=train/x.csv", bytes: [7]).status == 201)
            for noun in ["datasets", "models"] {
                let bytes = try await client.send("GET", "/v1/\(noun)/d")
                #expect(bytes.status == 409 && bytes.field == "file" && bytes.text.contains("train/x.csv"))
                #expect(try await client.send("GET", "/v1/\(noun)/d?file=train/x.csv").body == [7])
                let described = try await client.send("GET", "/v1/\(noun)/d", nil, ["Accept": "application/json"]).json
                #expect(described.value(atPath: "document.hub.kind") == "folder")
                #expect(described.value(atPath: "files.0.path") == "train/x.csv")
                let folder = try #require(described["folder"]?.stringValue)
                #expect(try readFile("\(folder)/train/x.csv") == [7])
            }
        }
    }

    @Test func `A body without a byte is stored only where its length said so`() async throws {
        try await withDirectServer { fixture in
            let client = fixture.client
            for noun in ["datasets", "models"] {
                let head = client.head("PUT", "/v1/\(noun)/e", ["Transfer-Encoding": "chunked"])
                let piped = try await onThread {
                    try RawConnection(client.socketPath).exchange(head, Array("0\r\n\r\n".utf8))
                }
                #expect(piped.status == 400 && piped.text.contains("Content-Length: 0"), "\(piped.text)")
                #expect(try await client.send("GET", "/v1/\(noun)/e").status == 404)
                #expect(try await client.send("PUT", "/v1/\(noun)/e", bytes: []).status == 201)
            }
            #expect(fixture.spooled == [])
        }
    }

    @Test(arguments: ["1e400", "99999999999999999999"])
    func `A number that would become another one is refused in bodies and addresses`(_ number: String) async throws {
        try await withDirectServer { fixture in
            let client = fixture.client
            let bodies = [
                ("POST", "/v1/logs/training", "[{\"a\": 1}, {\"a\": [\(number)]}]"),
                (
                    "POST", "/v1/tasks",
                    "{\"script\": \"pass\", \"script_path\": \"t.py\", \"hyper_parameters\": {\"a\": \(number)}}"
                ),
                ("POST", "/v1/tasks/wait", "{\"filter\": {\"a\": \(number)}}"),
            ]
            for (method, path, body) in bodies {
                let reply = try await client.send(method, path, body)
                #expect(reply.status == 400 && reply.text.contains(number), "\(reply.text)")
            }
            for path in ["/v1/tasks?filter=", "/v1/logs/training?filter=", "/v1/datasets?filter="] {
                let reply = try await client.send("GET", "\(path)%7B%22a%22:\(number)%7D")
                #expect(reply.status == 400 && reply.text.contains(number), "\(reply.text)")
            }
            let put = try await client.send("PUT", "/v1/datasets/d?tags=%7B%22a%22:\(number)%7D", bytes: [1])
            #expect(put.status == 400 && put.text.contains(number), "\(put.text)")
            #expect(try await fixture.hub.logs(.training).isEmpty)
            #expect(try await fixture.hub.findDataSets(ContentQuery()).isEmpty)
        }
    }

    @Test func `A file whose bytes are wrong in MongoDB is never sent whole`() async throws {
        try await withDirectServer { fixture in
            let client = fixture.client
            var files: [String] = []
            for index in 0..<2 {
                let bytes = [UInt8](repeating: UInt8(index), count: 700_000)
                let upload = try await client.send("POST", "/v1/uploads", bytes: bytes).json["upload"]
                files.append("{\"path\": \"\(index)\", \"upload\": \(upload ?? .null)}")
            }
            let body = "{\"files\": [\(files.joined(separator: ", "))]}"
            let document = try await client.send("PUT", "/v1/datasets/d", body).json
            #expect(try await client.send("GET", "/v1/datasets/d?file=1").body.count == 700_000)
            let blob = try #require(document.value(atPath: "document.hub.files.1.blob"))
            let changed = BSONBinary(bytes: [UInt8](repeating: 9, count: 255 * 1024))
            let count = try await fixture.hub.database.collection("datasetFilesystem.chunks").updateOne(
                ["files_id": blob, "n": 1],
                .document(["$set": ["data": .binary(changed)]])
            )
            #expect(count.modified == 1)
            let error = await #expect(throws: RawClient.Failure.self) {
                try await client.send("GET", "/v1/datasets/d?file=1")
            }
            #expect(error?.message.contains("cut off") == true)
            #expect(try await client.send("GET", "/v1/datasets/d?file=0").body.count == 700_000)
        }
    }

    @Test func `A stage moves from one version of a model to another, and guards it`() async throws {
        try await withDirectServer { fixture in
            let client = fixture.client
            for value in 1...2 {
                let put = try await client.send(
                    "PUT",
                    "/v1/models/mlp?tags=%7B%22acc%22:\(value)%7D",
                    bytes: [UInt8(value)]
                )
                #expect(put.status == 201)
            }
            #expect(try await client.send("PUT", "/v1/models/mlp/stages/production?version=1").status == 200)
            #expect(try await client.send("GET", "/v1/models/mlp?stage=production").body == [1])
            #expect(try await client.send("GET", "/v1/models/-?sort=acc:-1").body == [2])
            #expect(try await client.send("DELETE", "/v1/models?name=mlp").code == "wrong-state")
            #expect(try await client.send("PUT", "/v1/models/mlp/stages/production").status == 200)
            #expect(try await client.send("GET", "/v1/models?stage=production&name=mlp").array.map { $0["acc"] } == [2])
            #expect(try await client.send("DELETE", "/v1/models/mlp/stages/production").json == ["deleted": 1])
            #expect(try await client.send("DELETE", "/v1/models/mlp/stages/production").status == 404)
            #expect(try await client.send("DELETE", "/v1/models?name=mlp").json == ["deleted": 2])
        }
    }

    @Test func `A data set in the lineage of a model is deleted only by force`() async throws {
        try await withDirectServer { fixture in
            let client = fixture.client
            let saved = try await fixture.hub.saveDataSet(.bytes([1], as: "f"), name: "a")
            let source = Lineage.DataSet(id: try #require(saved.id), name: "a", version: 1, sha256: saved.sha256)
            try await fixture.hub.saveModel(
                nil,
                name: "mlp",
                architecture: ["a": 1],
                lineage: Lineage(origin: AttemptID(task: ObjectID(), number: 1), dataSets: [source])
            )
            #expect(try await client.send("DELETE", "/v1/datasets?name=a").code == "wrong-state")
            #expect(try await client.send("DELETE", "/v1/datasets?name=a&force=true").json == ["deleted": 1])
        }
    }

    @Test func `Tasks are created, found, waited for, cancelled and deleted`() async throws {
        try await withDirectServer { fixture in
            let client = fixture.client
            let body = """
                [{"name": "mnist", "script": "print(1)", "script_path": "train.py", "hyper_parameters": {"lr": 0.1},
                  "saved_result_keys": ["loss"], "tags": {"description": "first"}, "priority": 3, "timeout": 90.5,
                  "files": [{"path": "data.txt", "data": "text"}], "rules": ["exit=3:fail"]},
                 {"script": {"$binary": {"base64": "IyEvYmluL3NoCg==", "subType": "00"}}, "hold": true}]
                """
            let created = try await client.send("POST", "/v1/tasks", body)
            #expect(created.status == 201)
            let ids = (created.json["ids"]?.arrayValue ?? []).compactMap(\.objectIDValue)
            try #require(ids.count == 2)
            let task = try await client.send("GET", "/v1/tasks/\(ids[0])").json
            #expect(task.value(atPath: "hub.interpreter") == "python3")
            #expect(task.value(atPath: "hub.priority") == 3)
            #expect(task.value(atPath: "hub.files.0.path") == "data.txt")
            #expect(task.value(atPath: "hub.files.0.data") == nil)
            #expect(task["script"]?.binaryValue?.bytes == Array("print(1)".utf8))
            #expect(task["description"] == "first")
            let listed = try await client.send("GET", "/v1/tasks?name=mnist").array
            #expect(listed.count == 1)
            #expect(listed.first?["script"] == nil)
            #expect(try await client.send("GET", "/v1/tasks/unfinished").json == ["unfinished": true])
            let waited = try await client.send("POST", "/v1/tasks/wait", "{\"timeout\": 0.2}").json
            #expect(waited["done"] == false)
            #expect(waited.value(atPath: "counts.pending") == 2)
            let none = try await client.send("POST", "/v1/tasks/wait", "{\"ids\": []}").json
            #expect(none == ["done": true, "counts": [:]])
            #expect(try await client.send("POST", "/v1/tasks/cancel", "{\"name\": \"mnist\"}").json == ["cancelled": 1])
            let ended = try await client.send("POST", "/v1/tasks/wait", "{\"name\": \"mnist\"}").json
            #expect(ended["done"] == true)
            #expect(ended.value(atPath: "counts.cancelled") == 1)
            #expect(try await client.send("DELETE", "/v1/tasks?status=cancelled").json == ["deleted": 1])
            #expect(try await client.send("DELETE", "/v1/tasks?filter=%7B%7D").json == ["deleted": 1])
            #expect(try await client.send("GET", "/v1/tasks").text == "[]")
        }
    }

    @Test func `A server that waits for tasks ends at once`() async throws {
        try await withDirectServer { fixture in
            _ = try await fixture.client.send("POST", "/v1/tasks", "{\"script\": \"x\", \"hold\": true}")
            #expect(await eventually { fixture.service.requestsUnderWay == 0 }, "the first one is over")
            let reply = Task { try await fixture.client.send("POST", "/v1/tasks/wait", "{}") }
            let isAsked = await eventually { fixture.service.requestsUnderWay == 1 }
            #expect(isAsked)
            await fixture.service.stop()
            #expect(try await reply.value.json == ["done": false, "counts": ["pending": 1]])
        }
    }

    @Test func `Links to what nobody asks for any more go where they hold more than the cache may, the oldest first`()
        async throws
    {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                var records: [DataSetRecord] = []
                for index in 0..<3 {
                    let bytes = [UInt8](repeating: UInt8(index), count: 10)
                    records.append(try await hub.saveDataSet(.bytes(bytes, as: "f"), name: "a"))
                }
                let own = try ServeFolder(in: "\(folder)/state")
                let cache = ContentCache(folder: "\(folder)/cache", limit: 20)
                let backend = DirectBackend(hub: hub, folder: own, cache: cache)
                var places: [String] = []
                for record in records { places.append(try await backend.fetch(record, shard: nil).folder) }
                let again = try await backend.fetch(records[0], shard: nil)
                #expect(again.folder == places[0])
                backend.removeUnused(for: .seconds(3600))
                #expect(entries(own.links).count == 3)
                backend.removeUnused(for: .zero)
                #expect(access(places[1], F_OK) != 0 && entries(own.links).count == 2)
                let back = try await backend.fetch(records[1], shard: nil)
                #expect(try readFile(back.files[0].localPath) == [UInt8](repeating: 1, count: 10))
                own.remove()
            }
        }
    }

    @Test func `Folders of servers that were killed go with the next start, those of others stay`() async throws {
        try await withTemporaryDirectory { folder in
            let living = try ServeFolder(in: "\(folder)/a/b")
            try writeFile("\(living.path)/spool/upload", "x")
            let dead = try ServeFolder(in: "\(folder)/a/b").path
            try writeFile("\(dead)/links/file", "x")
            let next = try ServeFolder(in: "\(folder)/a/b")
            let names = Set(entries("\(folder)/a/b").map { "\(folder)/a/b/\($0)" })
            #expect(names == [living.path, next.path, "\(folder)/a/b/lock"])
            next.remove()
            living.remove()
            #expect(entries("\(folder)/a/b") == ["lock"])
        }
    }
}
