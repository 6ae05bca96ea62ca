import BSON
import Console
import Glibc
import MongoDriver
import TensorHub

/// Contents to GridFS and back: ours, the C program's and pymongo's, in turn, from a file to a file.
struct BenchBlobs {
    let site: BenchSite

    /// MiB.
    static let size = 256

    /// MiB a second.
    private struct Speed {
        var up: Double
        var down: Double
    }

    func measure(rounds: Int) async throws -> [BenchMeasurement] {
        RetainedMemory.begin()
        let file = "\(site.folder.path)/content"
        try await Self.make(file)
        defer { unlink(file) }
        var (ours, floor, pymongo) = ([Speed](), [Speed](), [Speed]())
        var hasPymongo = true
        for _ in 0..<rounds {
            ours.append(try await own(file))
            if site.floor != nil {
                floor.append(
                    try await rest {
                        try await BenchRunner.floor("blobs", at: site, name: "blobs", count: 1, ["--file", file])
                    }
                )
            }
            if hasPymongo {
                do {
                    pymongo.append(
                        try await rest { try await BenchRunner.python(Self.program, [site.uri, file], at: site) }
                    )
                } catch {
                    StandardError.line("tensorhub-bench: pymongo is left out: \(error)")
                    hasPymongo = false
                }
            }
        }
        var result: [BenchMeasurement] = []
        for (name, direction) in [("blob up", \Speed.up), ("blob down", \Speed.down)] {
            for (reference, speeds, goal) in [("floor", floor, 0.8), ("pymongo", pymongo, 1.5)] where !speeds.isEmpty {
                result.append(
                    BenchMeasurement(
                        name: "\(name), \(Self.size) MiB",
                        unit: "MiB/s",
                        ours: ours.map { $0[keyPath: direction] },
                        reference: speeds.map { $0[keyPath: direction] },
                        referenceName: reference,
                        goal: .atLeast(goal)
                    )
                )
            }
            if floor.isEmpty, pymongo.isEmpty {
                let figures = ours.map { $0[keyPath: direction] }
                result.append(BenchMeasurement(name: "\(name), \(Self.size) MiB", unit: "MiB/s", ours: figures))
            }
        }
        return result
    }

    private func own(_ file: String) async throws -> Speed {
        let clock = ContinuousClock()
        let hub = site.hub
        let owner = ObjectID()
        // The indexes are made, as the others' are.
        let first = try await hub.storeBlob(.bytes(Array("first".utf8)), in: .dataSets, for: owner)
        try await settle()
        var blob = first
        let up = try await clock.measure { blob = try await hub.storeBlob(.file(file), in: .dataSets, for: owner) }
        try await settle()
        let target = file + ".ours"
        defer { unlink(target) }
        let down = try await clock.measure { [blob] in
            try await hub.downloadBlob(blob, in: .dataSets, to: target)
        }
        let ids = [first.id, blob.id]
        // The document never comes.
        try await hub.settleBlobs(ids, in: .dataSets, for: owner)
        try await hub.releaseBlobs(ids, in: .dataSets)
        return Speed(up: Double(Self.size) / (up / .seconds(1)), down: Double(Self.size) / (down / .seconds(1)))
    }

    /// The other's figures, from a server at rest.
    private func rest(_ body: () async throws -> BSONDocument) async throws -> Speed {
        try await settle()
        let report = try await body()
        for name in ["floor.chunks", "floor.files", "pymongo.chunks", "pymongo.files"] {
            try await site.hub.database.collection(name).drop()
        }
        return Speed(up: report["up"]?.doubleValue ?? .nan, down: report["down"]?.doubleValue ?? .nan)
    }

    /// Waits until the disk is at rest: what one has written must not slow the next one down. Then uses some memory,
    /// since a virtual machine gets what it has not used for a while from its host, which takes longer than a download.
    private func settle() async throws {
        try await site.hub.client.bulk { sync() }
        try await Task.sleep(for: .seconds(1))
        try await site.hub.client.bulk {
            let memory = UnsafeMutableRawPointer.allocate(byteCount: 768 << 20, alignment: 4096)
            memset(memory, 1, 768 << 20)
            memory.deallocate()
        }
    }

    /// A file that nothing compresses.
    private static func make(_ path: String) async throws {
        let maker = try ChildProcess.start(
            ["dd", "if=/dev/urandom", "of=\(path)", "bs=1M", "count=\(size)", "status=none"],
            environment: ["PATH": "/usr/bin:/bin"]
        )
        guard await maker.wait() == 0 else { throw CommandFailure.failure("cannot make \(path)") }
    }

    private static let program = """
        import os, sys, time
        import gridfs, pymongo
        client = pymongo.MongoClient(sys.argv[1])
        bucket = gridfs.GridFSBucket(client.get_default_database(), bucket_name="pymongo")
        bucket.upload_from_stream("first", b"first")
        size = os.path.getsize(sys.argv[2]) / 2**20
        began = time.monotonic()
        with open(sys.argv[2], "rb") as source:
            file = bucket.upload_from_stream("content", source)
        up = time.monotonic() - began
        os.sync()
        time.sleep(1)
        bytearray(b"1") * (768 << 20)
        began = time.monotonic()
        with open(sys.argv[2] + ".pymongo", "wb") as target:
            bucket.download_to_stream(file, target)
        down = time.monotonic() - began
        os.unlink(sys.argv[2] + ".pymongo")
        print('{"up": %f, "down": %f}' % (size / up, size / down))
        """
}
