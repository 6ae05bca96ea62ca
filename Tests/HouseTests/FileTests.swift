import Testing

/// What holds for every Swift file.
@Suite struct FileTests {
    static let folders = ["Sources", "Benchmarks", "Tests"]

    @Test(arguments: folders) func `No file is longer than 450 lines`(folder: String) throws {
        for file in try House.files(below: folder) {
            #expect(file.lines.count <= 450, "\(file.path): a file is its main type; what else is in it?")
        }
    }

    @Test func `A test is named by a sentence, which is the name of its function`() throws {
        for file in try House.files(below: "Tests") {
            let text = file.lines.joined(separator: "\n")
            #expect(!text.contains(#/@(Test|Suite)\("/#), "\(file.path): a name in an attribute")
            // Up to the function that the attribute belongs to.
            for test in text.matches(of: #/(?m)^ *@Test\b[^`]*?\bfunc\s+(`?)([^`(]+)/#) {
                #expect(
                    test.1 == "`" && test.2.first?.isUppercase == true,
                    "\(file.path): '\(test.2)' is no sentence"
                )
            }
        }
    }

    @Test func `The runner knows no path of HTTP`() throws {
        for file in try House.files(below: "Sources/TaskRunner") {
            #expect(!file.lines.contains { $0.contains("\"/v1") }, "\(file.path): what it means is the seam's to say")
        }
    }
}
