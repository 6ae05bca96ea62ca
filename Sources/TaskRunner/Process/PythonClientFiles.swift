import BSON
package import Files
import Glibc

/// The Python client that this executable carries: `import tensorhub` works in every script with nothing installed.
package enum PythonClientFiles {
    /// Puts the files into `<state>/python/<hash of them>/tensorhub/` unless they are there, and returns the folder for
    /// `PYTHONPATH`. Another version has another folder, so scripts that run through an upgrade keep theirs. What is
    /// there is compared: with an empty `run.py`, as a power cut may leave it, every Python task would end well at
    /// once.
    package static func install(
        in stateDirectory: String,
        _ damage: DamagedThings? = nil
    ) throws(FileError) -> String {
        let damage = damage ?? DamagedThings(stateDirectory: stateDirectory)
        let parent = "\(stateDirectory)/python"
        let name = hash
        let folder = "\(parent)/\(name)"
        if isWhole(folder) { return folder }

        let all = try damage.folder(parent)
        for path in [folder, "\(folder)/tensorhub"] { damage.restoreMode(path) }
        if isWhole(folder) { return folder }
        // Several may be at it at once.
        let temporary = ".\(name).\(ObjectID())"
        let package = try write(temporary, in: all)
        if renameat(all.descriptor, temporary, all.descriptor, name) != 0 {
            let error = FileError("rename", folder)
            // Another runner on the same state directory was faster, or what is there is damaged: then file by file, so
            // that running scripts miss none.
            if !isWhole(folder) {
                if let target = try? LocalFolder("\(folder)/tensorhub") {
                    for (file, _) in files { renameat(package.descriptor, file, target.descriptor, file) }
                }
            }
            // Nor could that be: no folder is in its place, or another one's files. A script that is just about to
            // import one of them may miss it.
            if !isWhole(folder) {
                damage.setAside(folder, "the Python client in it is damaged")
                let again = ".\(name).\(ObjectID())"
                _ = try write(again, in: all)
                renameat(all.descriptor, again, all.descriptor, name)
            }
            do throws(FileError) { try all.removeTree(temporary) } catch {
                damage.note("\(parent)/\(temporary)", error.description)
            }
            guard isWhole(folder) else { throw error }
        }
        return folder
    }

    /// Makes a folder with all files. Returns the folder of the files.
    private static func write(_ name: String, in all: borrowing LocalFolder) throws(FileError) -> LocalFolder {
        try all.makeFolder(name, mode: 0o755)
        let root = try LocalFolder(name, in: all)
        try root.makeFolder("tensorhub", mode: 0o755)
        let package = try LocalFolder("tensorhub", in: root)
        for (file, bytes) in files { try package.create(file, bytes, mode: 0o644, isSynced: true) }
        return package
    }

    private static func isWhole(_ folder: String) -> Bool {
        guard let package = try? LocalFolder("\(folder)/tensorhub") else { return false }
        return files.allSatisfy { name, bytes in (try? package.read(name, limit: bytes.count)) == bytes }
    }

    /// Every module of `python/tensorhub`; a test compares.
    package static var files: [(name: String, bytes: [UInt8])] {
        [
            ("__init__.py", PackageResources.__init___py),
            ("arrays.py", PackageResources.arrays_py),
            ("attempt.py", PackageResources.attempt_py),
            ("changes.py", PackageResources.changes_py),
            ("connection.py", PackageResources.connection_py),
            ("content.py", PackageResources.content_py),
            ("conversion.py", PackageResources.conversion_py),
            ("datasets.py", PackageResources.datasets_py),
            ("db.py", PackageResources.db_py),
            ("display.py", PackageResources.display_py),
            ("errors.py", PackageResources.errors_py),
            ("fault.py", PackageResources.fault_py),
            ("frame_arrays.py", PackageResources.frame_arrays_py),
            ("frames.py", PackageResources.frames_py),
            ("hub.py", PackageResources.hub_py),
            ("integrations.py", PackageResources.integrations_py),
            ("legacy.py", PackageResources.legacy_py),
            ("logs.py", PackageResources.logs_py),
            ("model.py", PackageResources.model_py),
            ("models.py", PackageResources.models_py),
            ("output.py", PackageResources.output_py),
            ("project.py", PackageResources.project_py),
            ("references.py", PackageResources.references_py),
            ("reporter.py", PackageResources.reporter_py),
            ("run.py", PackageResources.run_py),
            ("script.py", PackageResources.script_py),
            ("server.py", PackageResources.server_py),
            ("tasks.py", PackageResources.tasks_py),
            ("unused.py", PackageResources.unused_py),
            ("values.py", PackageResources.values_py),
            ("why.py", PackageResources.why_py),
        ]
    }

    /// FNV-1a: tells versions apart, guards against nobody.
    private static let hash: String = {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for (name, bytes) in files {
            for byte in Array(name.utf8) + [0] + bytes + [0] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        }
        return String(hash, radix: 16)
    }()
}
