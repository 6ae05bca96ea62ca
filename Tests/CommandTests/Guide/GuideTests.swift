import Glibc
import TestSupport
import Testing

/// Whoever follows the guide finds what it says.
@Suite struct GuideTests {
    static let pages: [GuidePage] = {
        var found = glob_t()
        defer { globfree(&found) }
        guard glob("\(packageRoot)/docs/guide/*.md", 0, nil, &found) == 0 else { return [] }
        return (0..<Int(found.gl_pathc)).compactMap { index in
            guard let path = found.gl_pathv[index].map({ String(cString: $0) }), let bytes = try? readFile(path) else {
                return nil
            }
            let name = path.split(separator: "/").last.map(String.init) ?? path
            return GuidePage(name: name, text: String(decoding: bytes, as: UTF8.self))
        }
    }()

    @Test func `There is a guide`() { #expect(Self.pages.count >= 8) }

    @Test(arguments: pages) func `Every command of a page runs, and prints what the page says`(
        page: GuidePage
    ) async throws {
        guard !page.steps.isEmpty else { return }
        try await withCommands { fixture in
            var session = try GuideSession(fixture)
            do {
                for step in page.steps { try await check(step, &session, page) }
                try await session.end(fixture)
            } catch {
                session.kill()
                throw error
            }
        }
    }

    private func check(_ step: GuidePage.Step, _ session: inout GuideSession, _ page: GuidePage) async throws {
        switch step {
        case .commands(let text):
            let said = try await session.say(text)
            #expect(!said.contains { $0.hasPrefix("@failed") }, "\(text)\n\(said.joined(separator: "\n"))")
        case .exchange(let command, let lines):
            let said = try await session.say(command).filter { !$0.hasPrefix("@failed") }
            let (expected, actual) = (GuideOutput(lines), GuideOutput(said))
            let difference = "--- printed:\n\(actual)\n--- says:\n\(expected)"
            #expect(expected.matches(actual), "\(page.name): \(command)\n\(difference)")
        }
    }

    @Test func `What a page shows is found in what is printed, and nothing else`() {
        let shown = GuideOutput(["1 task  created in project default", "…", "loss … 0.5", "65f0c0ffee0123456789abcd"])
        let id = "0123456789abcdef01234567"
        #expect(shown.matches(GuideOutput(["1 task created in project default", "loss is 0.5", id])))
        #expect(shown.matches(GuideOutput(["1 task created in project default", "more", "", "loss 1 0.5", id])))
        #expect(!shown.matches(GuideOutput(["1 task created in project default", "loss is 0.7", id])))
        #expect(!shown.matches(GuideOutput(["1 task created in project default", "loss is 0.5", id, "more"])))
    }
}
