import BSON
import Console
import Glibc
import Synchronization
import TensorHub

/// How much this process grows while a stream of many GiB passes through it, to GridFS and back. The stream is
/// generated, and what comes back is counted, hashed and dropped.
struct BenchBlobMemory {
    let site: BenchSite
    let gibibytes: Int

    func measure() async throws -> [BenchMeasurement] {
        let hub = site.hub
        let owner = ObjectID()
        // What any transfer needs once.
        let warm = try await hub.storeBlob(.bytes([UInt8](repeating: 1, count: 1000)), in: .models, for: owner)
        let length = Int64(gibibytes) << 30
        let before = try Self.resident("VmRSS:")
        try Self.forgetPeak()
        let blob = try await hub.storeBlob(.stream(Self.stream(length)), in: .models, for: owner)
        let up = try Self.resident("VmHWM:") - before
        try Self.forgetPeak()
        var received: Int64 = 0
        for try await piece in hub.readBlob(blob.id, in: .models) { received += Int64(piece.count) }
        let read = try Self.resident("VmHWM:") - before
        try Self.forgetPeak()
        let target = "\(site.folder.path)/large"
        defer { unlink(target) }
        try await hub.downloadBlob(blob, in: .models, to: target)
        let down = try Self.resident("VmHWM:") - before
        guard received == length, blob.length == length else {
            throw CommandFailure.failure("\(received) of \(length) bytes came back")
        }
        try await hub.settleBlobs([warm.id, blob.id], in: .models, for: owner)
        try await hub.releaseBlobs([warm.id, blob.id], in: .models)
        return [("up", up), ("read", read), ("to a file", down)].map { direction, growth in
            BenchMeasurement(
                name: "\(gibibytes) GiB \(direction), memory",
                unit: "MB more",
                ours: [growth],
                referenceName: "",
                goal: .atMost(64)
            )
        }
    }

    /// Pieces of 1 MiB, no two alike.
    private static func stream(_ length: Int64) -> AsyncThrowingStream<[UInt8], any Error> {
        let position = Mutex(Int64(0))
        return AsyncThrowingStream {
            let start = position.withLock { position in
                defer { position += 1 << 20 }
                return position
            }
            if start >= length { return nil }
            var piece = [UInt8](repeating: 0, count: 1 << 20)
            piece.withUnsafeMutableBytes { bytes in
                var state = UInt64(start) | 1
                for offset in stride(from: 0, to: bytes.count, by: 8) {
                    state ^= state << 13
                    state ^= state >> 7
                    state ^= state << 17
                    bytes.storeBytes(of: state, toByteOffset: offset, as: UInt64.self)
                }
            }
            return piece
        }
    }

    /// MB.
    private static func resident(_ field: String) throws -> Double {
        let text = String(decoding: try InputFile("/proc/self/status", role: "status").bytes, as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix(field) } ?? ""
        return (line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) } ?? .nan) / 1024
    }

    /// The peak begins anew (proc(5), clear_refs).
    private static func forgetPeak() throws {
        let descriptor = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
        defer { close(descriptor) }
        guard descriptor >= 0, write(descriptor, "5", 1) == 1 else {
            throw CommandFailure.failure("cannot write to /proc/self/clear_refs")
        }
    }
}
