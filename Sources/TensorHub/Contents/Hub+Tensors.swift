import BSON

/// What tensors there are, without fetching them.
extension Hub {
    /// The tensors in the parameters of a model: name, shape and type of each, from the headers of safetensors, `.npy`
    /// and `.npz` files. What a file is, its bytes tell, not its name; nothing but the headers is fetched.
    public func tensors(of model: ModelRecord) async throws(HubError) -> TensorIndex {
        try await tensors(in: try await files(of: model), bucket: .models)
    }

    /// The arrays of a data set.
    public func tensors(of dataSet: DataSetRecord) async throws(HubError) -> TensorIndex {
        try await tensors(in: try await files(of: dataSet), bucket: .dataSets)
    }

    private func tensors(in files: [StoredFile], bucket: BlobBucket) async throws(HubError) -> TensorIndex {
        var index = TensorIndex()
        for file in files {
            let id = file.blob.id
            let window = ByteWindow(length: file.blob.length) { range in
                var bytes: [UInt8] = []
                for try await piece in self.readBlob(id, in: bucket, range: range) { bytes += piece }
                return bytes
            }
            do {
                try await index.add(file.path, window)
            } catch {
                throw error as? HubError
                    ?? HubError(.database, "\(file.path) cannot be read: \(error)", underlying: error)
            }
        }
        return index
    }
}

extension TensorIndex {
    /// Looks into one file.
    mutating func add(_ file: String, _ window: ByteWindow) async throws {
        var window = window
        do {
            let head = try await window.read(at: 0, upTo: NumPyFile.preamble)
            if head.starts(with: NumPyFile.magic) {
                let whole = try await window.read(at: 0, upTo: try NumPyFile.headerEnd(head))
                let name = file.bytes.dropping(end: ".npy") ?? file
                tensors.append(try NumPyFile.tensor(whole, file: file, name: name))
            } else if head.starts(with: [0x50, 0x4B]) {
                try await addArchive(file, &window)
            } else if SafetensorsFile.begins(head, length: window.length) {
                tensors += try await SafetensorsFile.tensors(&window, file: file)
            } else {
                others.append(file)
            }
        } catch let fault as TensorFileFault {
            faults.append(Fault(file: file, message: fault.message))
        }
    }

    private mutating func addArchive(_ file: String, _ window: inout ByteWindow) async throws {
        let members = try await ZipDirectory.members(&window).compactMap { member in
            member.name.bytes.dropping(end: ".npy").map { (member, $0) }
        }
        if members.isEmpty { others.append(file) }
        for (member, name) in members {
            let head = try await ZipDirectory.head(of: member, upTo: NumPyFile.preamble, &window)
            let whole = try await ZipDirectory.head(of: member, upTo: try NumPyFile.headerEnd(head), &window)
            tensors.append(try NumPyFile.tensor(whole, file: file, name: name))
        }
    }
}
