import CLibZ

/// Reads the central directory of a zip archive, and the beginnings of its members: what a `.npz` file is made of.
///
/// Reference: <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>
enum ZipDirectory {
    struct Member {
        var name: String
        var isEncrypted: Bool
        /// 0 stored, 8 deflated.
        var method: UInt64
        var compressedSize: UInt64
        /// Of the local header.
        var offset: UInt64
    }

    /// Bytes: at the end of the archive, with the longest comment.
    private static let longestEnd = 22 + 65_535
    /// Bytes, and members: far above what a machine-learning model has, far below what harms.
    static let longestDirectory: UInt64 = 32 << 20
    static let mostMembers = 100_000

    static func members(_ window: inout ByteWindow) async throws -> [Member] {
        let place = try await directory(&window)
        let bytes = try await window.read(at: Int64(place.offset), upTo: Int(place.size))
        var members: [Member] = []
        var at = 0
        while at < bytes.count, members.count < mostMembers {
            guard bytes.littleEndian(at: at, bytes: 4) == 0x0201_4B50,
                let flags = bytes.littleEndian(at: at + 8, bytes: 2),
                let method = bytes.littleEndian(at: at + 10, bytes: 2),
                var compressed = bytes.littleEndian(at: at + 20, bytes: 4),
                let size = bytes.littleEndian(at: at + 24, bytes: 4),
                let nameLength = bytes.littleEndian(at: at + 28, bytes: 2),
                let extraLength = bytes.littleEndian(at: at + 30, bytes: 2),
                let commentLength = bytes.littleEndian(at: at + 32, bytes: 2),
                var offset = bytes.littleEndian(at: at + 42, bytes: 4)
            else { throw TensorFileFault("its directory is damaged") }
            let nameEnd = at + 46 + Int(nameLength)
            let extraEnd = nameEnd + Int(extraLength)
            guard extraEnd <= bytes.count else { throw TensorFileFault("its directory is damaged") }
            widen(bytes[nameEnd..<extraEnd], size, &compressed, &offset)
            members.append(
                Member(
                    name: String(decoding: bytes[(at + 46)..<nameEnd], as: UTF8.self),
                    isEncrypted: flags & 1 != 0,
                    method: method,
                    compressedSize: compressed,
                    offset: offset
                )
            )
            at = extraEnd + Int(commentLength)
        }
        if at < bytes.count, members.count >= mostMembers {
            throw TensorFileFault("it has more than \(mostMembers) members")
        }
        return members
    }

    /// The first bytes of a member, unpacked; fewer where it has fewer.
    static func head(of member: Member, upTo count: Int, _ window: inout ByteWindow) async throws -> [UInt8] {
        guard !member.isEncrypted else { throw TensorFileFault("'\(member.name)' is encrypted") }
        guard member.offset <= UInt64(max(0, window.length)) else {
            throw TensorFileFault("'\(member.name)' does not lie within the file")
        }
        let local = try await window.read(at: Int64(member.offset), upTo: 30)
        guard local.littleEndian(at: 0, bytes: 4) == 0x0403_4B50, let name = local.littleEndian(at: 26, bytes: 2),
            let extra = local.littleEndian(at: 28, bytes: 2)
        else { throw TensorFileFault("'\(member.name)' does not lie where the directory says") }
        let start = Int64(member.offset) + 30 + Int64(name) + Int64(extra)
        let available = Int(min(member.compressedSize, UInt64(max(0, window.length - start))))
        switch member.method {
        case 0: return try await window.read(at: start, upTo: min(count, available))
        case 8:
            // Deflate may make a byte longer, never by much; most headers shrink.
            let packed = try await window.read(at: start, upTo: min(available, count + count / 8 + 4096))
            guard let bytes = inflate(packed, upTo: count) else {
                throw TensorFileFault("'\(member.name)' is damaged: it cannot be unpacked")
            }
            return bytes
        default: throw TensorFileFault("'\(member.name)' is packed by method \(member.method), which is not known here")
        }
    }

    private static func directory(_ window: inout ByteWindow) async throws -> (offset: UInt64, size: UInt64) {
        let size = Int(min(window.length, Int64(longestEnd)))
        let start = window.length - Int64(size)
        let tail = try await window.read(at: start, upTo: size)
        var at = tail.count - 22
        while at >= 0, !isEnd(tail, at) { at -= 1 }
        guard at >= 0, var entries = tail.littleEndian(at: at + 10, bytes: 2),
            var length = tail.littleEndian(at: at + 12, bytes: 4), var offset = tail.littleEndian(at: at + 16, bytes: 4)
        else { throw TensorFileFault("it has no directory at its end") }
        if entries == 0xFFFF || length == 0xFFFF_FFFF || offset == 0xFFFF_FFFF {
            let locator = start + Int64(at) - 20
            let bytes = try await window.read(at: locator, upTo: 20)
            if bytes.littleEndian(at: 0, bytes: 4) == 0x0706_4B50, let place = bytes.littleEndian(at: 8, bytes: 8),
                place <= UInt64(window.length)
            {
                let end = try await window.read(at: Int64(place), upTo: 56)
                guard end.littleEndian(at: 0, bytes: 4) == 0x0606_4B50,
                    let wideEntries = end.littleEndian(at: 32, bytes: 8),
                    let wideLength = end.littleEndian(at: 40, bytes: 8),
                    let wideOffset = end.littleEndian(at: 48, bytes: 8)
                else { throw TensorFileFault("its 64-bit directory is damaged") }
                (entries, length, offset) = (wideEntries, wideLength, wideOffset)
            }
        }
        guard length <= longestDirectory, entries <= UInt64(mostMembers) else {
            throw TensorFileFault(
                "its directory has \(entries) members in \(length) bytes, more than is looked through"
            )
        }
        guard offset <= UInt64(window.length), length <= UInt64(window.length) - offset else {
            throw TensorFileFault("its directory does not lie within the file")
        }
        return (offset, length)
    }

    private static func isEnd(_ tail: [UInt8], _ at: Int) -> Bool {
        guard tail[at] == 0x50, tail.littleEndian(at: at, bytes: 4) == 0x0605_4B50,
            let comment = tail.littleEndian(at: at + 20, bytes: 2)
        else { return false }
        return at + 22 + Int(comment) <= tail.count
    }

    /// Takes the sizes that do not fit into 32 bits from the extra field 1, which has them in a fixed order.
    private static func widen(
        _ extra: ArraySlice<UInt8>,
        _ size: UInt64,
        _ compressed: inout UInt64,
        _ offset: inout UInt64
    ) {
        var rest = extra
        while let id = rest.littleEndian(at: 0, bytes: 2), let length = rest.littleEndian(at: 2, bytes: 2) {
            let body = rest.dropFirst(4).prefix(Int(length))
            if id == 1 {
                var at = size == 0xFFFF_FFFF ? 8 : 0
                if compressed == 0xFFFF_FFFF, let wide = body.littleEndian(at: at, bytes: 8) {
                    compressed = wide
                    at += 8
                }
                if offset == 0xFFFF_FFFF, let wide = body.littleEndian(at: at, bytes: 8) { offset = wide }
                return
            }
            rest = rest.dropFirst(4 + Int(length))
        }
    }

    /// The first bytes of what a raw deflate stream holds; `nil` where it is none.
    static func inflate(_ packed: [UInt8], upTo count: Int) -> [UInt8]? {
        // zlib remembers the address.
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        defer { stream.deallocate() }
        guard inflateInit2_(stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else { return nil }
        defer { inflateEnd(stream) }
        var packed = packed
        var isBroken = false
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { output, filled in
            packed.withUnsafeMutableBufferPointer { input in
                stream.pointee.next_in = input.baseAddress
                stream.pointee.avail_in = uInt(input.count)
                stream.pointee.next_out = output.baseAddress
                stream.pointee.avail_out = uInt(count)
                let status = CLibZ.inflate(stream, Z_SYNC_FLUSH)
                filled = count - Int(stream.pointee.avail_out)
                isBroken = status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR
            }
        }
        return isBroken ? nil : bytes
    }
}
