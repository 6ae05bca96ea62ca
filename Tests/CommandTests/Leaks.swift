import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// Looks for what must be nowhere: passwords, in every form in which they are written down, and what only the server's
/// own words of a refusal hold.
struct Leaks {
    private let words: [[UInt8]]

    /// - Parameter passwords: Each begins and ends with a word that stands nowhere else: these are found in any
    ///   encoding.
    init(_ passwords: [String]) {
        var texts = ["$clusterTime", "signature", "lsid", "saslStart"]
        for password in passwords {
            texts += [
                password, GuardedDatabase.encoded(password), String(password.prefix(9)), String(password.suffix(7)),
            ]
        }
        words = texts.map { Array($0.utf8) }
    }

    func check(_ text: String, _ place: String) { check(Array(text.utf8), place) }

    func check(_ bytes: [UInt8], _ place: String) {
        for word in words where Self.contains(bytes, word) {
            Issue.record(
                "\(place) shows \(String(decoding: word, as: UTF8.self)): \(String(decoding: bytes.prefix(2000), as: UTF8.self))"
            )
        }
    }

    func check(_ result: ProgramResult, _ place: String) {
        check(result.output, place)
        check(result.errors, place)
    }

    /// Every file below, its name and its content.
    ///
    /// - Parameter excepted: Folders where the test itself keeps passwords.
    func checkFiles(_ folder: String, except excepted: [String]) {
        for name in entries(folder) {
            let path = "\(folder)/\(name)"
            check(name, "the name of \(path)")
            var facts = stat()
            guard !excepted.contains(path), lstat(path, &facts) == 0 else { continue }
            if facts.st_mode & S_IFMT == S_IFDIR {
                checkFiles(path, except: excepted)
            } else if facts.st_mode & S_IFMT == S_IFREG, let bytes = try? readFile(path) {
                check(bytes, path)
            }
        }
    }

    /// What the process list shows to everybody of a process and of those that it has started.
    func checkProcesses(of pid: pid_t) {
        for name in ["cmdline", "environ", "comm"] {
            if let bytes = try? readFile("/proc/\(pid)/\(name)") { check(bytes, "/proc/\(pid)/\(name)") }
        }
        for thread in entries("/proc/\(pid)/task") {
            let children = (try? readFile("/proc/\(pid)/task/\(thread)/children")) ?? []
            for child in String(decoding: children, as: UTF8.self).split(separator: " ") {
                pid_t(child).map(checkProcesses)
            }
        }
    }

    /// Every document of the database.
    func checkDocuments(_ database: MongoDatabase) async throws {
        for name in try await database.listCollectionNames() where !name.hasPrefix("system.") {
            for document in try await database.collection(name).findAll() {
                check(document.bytes, "a document of \(name)")
            }
        }
    }

    private static func contains(_ bytes: [UInt8], _ word: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return false }
            let last = bytes.count - word.count
            var place = 0
            while place <= last, let found = memchr(start + place, CInt(word[0]), last - place + 1) {
                if memcmp(found, word, word.count) == 0 { return true }
                place = UnsafeRawPointer(found) - start + 1
            }
            return false
        }
    }
}
