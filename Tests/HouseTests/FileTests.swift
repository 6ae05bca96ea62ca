import Testing

/// What holds for every Swift file.
@Suite struct FileTests {
    static let folders = ["Sources", "Benchmarks", "Tests"]

    @Test(arguments: folders) func `No file is longer than 450 lines`(folder: String) throws {
        let files = try House.files(below: folder)
        #expect(!files.isEmpty)
        for file in files {
            #expect(file.lines.count <= 450, "\(file.path): a file is its main type; what else is in it?")
        }
    }

    @Test func `A test is named by a sentence, which is the name of its function`() throws {
        for file in try House.files(below: "Tests") {
            let text = file.lines.joined(separator: "\n")
            #expect(!text.contains(#/@(Test|Suite)\("/#), "\(file.path): a name in an attribute")
            // Up to the function that the attribute belongs to.
            let tests = text.matches(of: #/(?ms)^ *@Test\b.*?\bfunc\s+(`?)([^`(]+)/#)
            #expect(tests.count == text.matches(of: #/(?m)^ *@Test\b/#).count, "\(file.path): a test is not understood")
            for test in tests {
                #expect(
                    test.1 == "`" && test.2.first?.isUppercase == true,
                    "\(file.path): '\(test.2)' is no sentence"
                )
            }
        }
    }

    /// But for tables, whose rows cannot be broken.
    @Test func `Prose has lines of at most 120 columns`() throws {
        let docs = try House.files(below: "docs", suffix: ".md")
        for file in try docs + ["README.md", "CHANGELOG.md", "Benchmarks/README.md"].map(House.file) {
            for line in file.lines where !line.hasPrefix("|") {
                #expect(line.count <= 120, "\(file.path): \(line)")
            }
        }
    }

    @Test func `Folders are listed, and errors of files put into words, in module Files alone`() throws {
        for file in try House.files(below: "Sources") where !file.path.hasPrefix("Sources/Files/") {
            #expect(!file.lines.contains { $0.contains(#/\b(strerror|opendir)\(/#) }, "\(file.path)")
        }
    }

    @Test func `The runner knows no path of HTTP`() throws {
        let files = try House.files(below: "Sources/TaskRunner")
        #expect(!files.isEmpty)
        for file in files {
            #expect(!file.lines.contains { $0.contains("\"/v1") }, "\(file.path): what it means is the seam's to say")
        }
    }
}
