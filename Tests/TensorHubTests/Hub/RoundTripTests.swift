import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// What goes in through Swift comes out equal, byte for byte, or was refused by name and is not there.
///
/// `TENSORHUB_PROPERTY_SEED` repeats a run, `TENSORHUB_PROPERTY_COUNT` sets how many values; 10000 take a few minutes.
@Suite(.timeLimit(.minutes(30))) struct RoundTripTests {
    static let seed = ArbitraryValue(door: "the Swift library").seed
    static let count = ArbitraryValue.count(500)

    /// How many documents there must be.
    private struct Tally {
        var stored = 0
        var refused = 0
    }

    /// - Returns: What was stored; `nil` where it was refused as it should be.
    private func attempt<Value>(_ place: String, _ body: () async throws -> Value) async -> Value? {
        do {
            return try await body()
        } catch let error as HubError {
            #expect(
                error.code == .invalidInput && error.field?.isEmpty == false && error.message.count > 20,
                "\(place): \(error.code) \(error.field ?? "no field"): \(error.message)"
            )
        } catch {
            Issue.record("\(place): \(error)")
        }
        return nil
    }

    private func expectEqual(_ found: BSONDocument, _ given: BSONDocument, _ place: String) {
        #expect(
            found.bytes == given.bytes,
            "\(place): \(given.extendedJSON(.canonical)) became \(found.extendedJSON(.canonical))"
        )
    }

    @Test func `Tasks with random parameters, tags, names and keys`() async throws {
        try await withTestHub { hub in
            var random = RandomValues(seed: Self.seed)
            var tally = Tally()
            for number in 0..<Self.count {
                let place = "seed \(Self.seed), task \(number)"
                // One odd thing at a time, or hardly anything would be taken.
                let kind = random.number(below: 5)
                let spec = TaskSpec(
                    name: kind == 0 ? random.text() : nil,
                    script: Array("pass".utf8),
                    hyperParameters: kind == 1 ? random.document() : [:],
                    savedResultKeys: kind == 2 ? (0..<random.number(below: 3)).map { _ in random.text() } : [],
                    tags: kind == 3 ? random.document() : [:],
                    files: kind == 4 ? (0...1).map { _ in TaskFile(path: random.text(), data: random.bytes()) } : []
                )
                guard let id = await attempt(place, { try await hub.createTask(spec) }) else {
                    tally.refused += 1
                    continue
                }
                tally.stored += 1
                let task = try await hub.task(id)
                expectEqual(task.hyperParameters ?? [:], spec.hyperParameters, place)
                expectEqual(task.tags, spec.tags, place)
                #expect(task.name?.bytes == spec.name?.bytes, "\(place)")
                #expect(task.savedResultKeys?.map(\.bytes) == spec.savedResultKeys.map(\.bytes), "\(place)")
                #expect(task.options.files.map(\.path.bytes) == spec.files.map(\.path.bytes), "\(place)")
                #expect(task.options.files.map(\.data) == spec.files.map(\.data), "\(place)")
                if let name = spec.name {
                    #expect(try await hub.findTasks(.named(name)).contains { $0.id == id }, "\(place)")
                }
            }
            #expect(try await hub.findTasks().count == tally.stored)
            #expect(tally.stored > Self.count / 4 && tally.refused > Self.count / 20, "\(tally)")
        }
    }

    @Test func `Random results of tasks`() async throws {
        try await withTestHub { hub in
            var random = RandomValues(seed: Self.seed &+ 1)
            let runner = ObjectID()
            for number in 0..<Self.count {
                let place = "seed \(Self.seed), result \(number)"
                // As a runner has it: of a repeated key the last value counts, and what is nested too deep fails its
                // task.
                let result = random.document().withoutRepeatedKeys
                if result.isNested(deeperThan: 100) { continue }
                let id = try await hub.createTask(TaskSpec(script: Array("pass".utf8)))
                let session = hub.session(runner, name: "h")
                let task = try #require(try await session.claim(1).tasks.first)
                let end = AttemptEnd(
                    AttemptID(task: id, number: task.attempt),
                    transition: .finish(result: result),
                    cause: "finished"
                )
                let outcome = try await hub.session(runner).deliver([end])
                let stored = try await hub.task(id)
                if outcome == [.accepted] {
                    expectEqual(stored.result, result, place)
                } else {
                    #expect(stored.result.isEmpty && stored.status == .running, "\(place): \(outcome)")
                    _ = try await hub.deleteTasks(.ids([id]), includingRunning: true)
                }
            }
        }
    }

    @Test func `Log entries of random values`() async throws {
        try await withTestHub { hub in
            var random = RandomValues(seed: Self.seed &+ 2)
            var tally = Tally()
            for number in 0..<Self.count {
                let place = "seed \(Self.seed), log entry \(number)"
                let values = random.document()
                let kind = random.one(of: LogKind.allCases)
                guard let id = await attempt(place, { try await hub.saveLog(kind, values) }) else {
                    tally.refused += 1
                    continue
                }
                tally.stored += 1
                let entries = try await hub.logs(kind, FieldPath("_id") == .objectID(id))
                var given = values
                given["_id"] = nil
                expectEqual(entries.first?.values ?? [:], given, place)
            }
            var count = 0
            for kind in LogKind.allCases { count += try await hub.countLogs(kind) }
            #expect(count == tally.stored && tally.refused > 0, "\(tally)")
        }
    }

    @Test func `Data sets and models with random names, tags, paths and architectures`() async throws {
        try await withTestHub { hub in
            var random = RandomValues(seed: Self.seed &+ 3)
            var (dataSets, models) = (Tally(), Tally())
            for number in 0..<Self.count {
                let place = "seed \(Self.seed), content \(number)"
                let kind = random.number(below: 4)
                let name = kind == 0 ? random.text(longest: 300) : "digits"
                let tags = kind == 1 ? random.document() : [:]
                let bytes = Array("\(number) ".utf8) + random.bytes()
                if kind < 3, number % 2 == 0 {
                    let path = kind == 2 ? random.text(longest: 300) : "data"
                    let content = Content.bytes(bytes, as: path)
                    guard
                        let saved = await attempt(place, { try await hub.saveDataSet(content, name: name, tags: tags) })
                    else {
                        dataSets.refused += 1
                        continue
                    }
                    dataSets.stored += 1
                    let found = try await hub.findDataSet(ContentQuery(name: name, version: saved.version))
                    #expect(found.id == saved.id && found.name?.bytes == name.bytes, "\(place)")
                    #expect(found.files.map(\.path.bytes) == [path.bytes], "\(place)")
                    expectEqual(found.tags, tags, place)
                    var read: [UInt8] = []
                    for try await piece in hub.read(found.files[0], in: .dataSets) { read += piece }
                    #expect(read == bytes, "\(place)")
                } else {
                    let architecture = kind == 3 ? random.document() : [:]
                    guard
                        let saved = await attempt(
                            place,
                            { try await hub.saveModel(nil, name: name, architecture: architecture, tags: tags) }
                        )
                    else {
                        models.refused += 1
                        continue
                    }
                    models.stored += 1
                    let found = try await hub.findModel(ContentQuery(name: name, version: saved.version))
                    #expect(found.id == saved.id && found.name?.bytes == name.bytes, "\(place)")
                    expectEqual(found.architecture ?? [:], architecture, place)
                    expectEqual(found.tags, tags, place)
                }
            }
            #expect(try await hub.findDataSets().count == dataSets.stored && dataSets.refused > 0, "\(dataSets)")
            #expect(try await hub.findModels().count == models.stored && models.refused > 0, "\(models)")
            let files = try await hub.database.collection(BlobBucket.dataSets.rawValue + ".files").findAll([:])
            #expect(files.count == dataSets.stored, "what was refused has left bytes")
        }
    }
}
