import BSON
import Files
import Glibc

/// Bringing data sets and models to this machine's disk, and reading a file of one without a disk.
extension Hub {
    /// Puts the files of a data set below a new folder, each under its own path and verified. Nothing is there unless
    /// all of them are.
    ///
    /// - Parameters:
    ///   - folder: Is made; must not be there, or be empty.
    ///   - shard: Those files alone.
    /// - Throws: `HubError.invalidInput` for a folder that has something in it, a shard that cannot be, and a document
    ///   whose paths lead out of the folder.
    @discardableResult
    public func download(_ dataSet: DataSetRecord, to folder: String, shard: Shard? = nil) async throws(HubError)
        -> LocalContent
    {
        let files = try await files(of: dataSet)
        return try await download(
            try shard?.files(of: files) ?? files,
            in: .dataSets,
            of: dataSet.label,
            to: folder
        )
    }

    /// The same for the parameters of a model.
    @discardableResult
    public func download(_ model: ModelRecord, to folder: String) async throws(HubError) -> LocalContent {
        try await download(
            try await files(of: model),
            in: .models,
            of: model.label,
            to: folder
        )
    }

    /// The files of a data set with their lengths: one of TensorLayer's does not tell its own.
    ///
    /// - Throws: `HubError.blobLost`.
    public func files(of dataSet: DataSetRecord) async throws(HubError) -> [StoredFile] {
        try await complete(dataSet.files, in: .dataSets, of: dataSet.label)
    }

    public func files(of model: ModelRecord) async throws(HubError) -> [StoredFile] {
        try await complete(model.files, in: .models, of: model.label)
    }

    /// The bytes of one file, or a part of them, as they arrive.
    ///
    /// - Parameter range: Of the file, in bytes; what is past its end is left out.
    public func read(
        _ file: StoredFile,
        in bucket: BlobBucket,
        range: Range<Int64>? = nil
    ) -> AsyncThrowingStream<[UInt8], any Error> {
        readBlob(file.blob.id, in: bucket, range: range)
    }

    private func complete(_ files: [StoredFile], in bucket: BlobBucket, of what: String) async throws(HubError)
        -> [StoredFile]
    {
        guard files.count == 1, files[0].blob.sha256 == nil else { return files }
        guard let blob = try await blob(files[0].blob.id, in: bucket) else {
            throw HubError(
                .blobLost,
                field: "files",
                "the bytes of \(what) have vanished: there is no file \(files[0].blob.id) in bucket '\(bucket.rawValue)'; "
                    + "store it again"
            )
        }
        return [StoredFile(path: files[0].path, mode: files[0].mode, blob: blob)]
    }

    private func download(
        _ files: [StoredFile],
        in bucket: BlobBucket,
        of what: String,
        to folder: String
    ) async throws(HubError) -> LocalContent {
        for file in files where !StoredFile.isRelative(file.path) {
            throw .invalid(
                "files",
                "the path \(file.path.debugDescription) of a stored file leads out of its folder; nothing was written"
            )
        }
        let target = folder.utf8.count > 1 ? folder.bytes.dropping(end: "/") ?? folder : folder
        // Beside the target: a rename is at once, and only there.
        try Self.makeFolders(above: target)
        let folder = try PartialFolder(beside: target)
        let partial = folder.path
        do throws(HubError) {
            for file in files {
                let path = "\(partial)/\(file.path)"
                try Self.makeFolders(above: path)
                do throws(HubError) {
                    try await downloadBlob(file.blob, in: bucket, to: path)
                } catch {
                    throw error.naming(file).naming(what)
                }
                chmod(path, mode_t(file.mode & 0o777))
            }
            guard rename(partial, target) == 0 else {
                let number = errno
                if number == ENOTEMPTY || number == EEXIST {
                    throw .invalid(
                        "folder",
                        "\(target) is there already and not empty; name another folder, or remove it"
                    )
                }
                throw .invalid("folder", "\(target) cannot be made: \(FileError.reason(number))")
            }
        } catch {
            folder.remove()
            throw error
        }
        return LocalContent(
            folder: target,
            files: files.map { LocalContent.File(path: $0.path, localPath: "\(target)/\($0.path)") }
        )
    }

    private static func makeFolders(above path: String) throws(HubError) {
        guard let (folder, _) = path.bytes.cut(atLast: "/"), !folder.isEmpty else { return }
        do throws(FileError) { try LocalFolder.make(folder, mode: 0o777) } catch {
            throw .invalid("folder", "\(error.path) cannot be made: \(error.reason)")
        }
    }
}
