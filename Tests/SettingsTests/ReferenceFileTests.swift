import Settings
import TestSupport
import Testing

@Suite struct ReferenceFileTests {
    private static let path = packageRoot + "/config/tensorhubd.yaml"

    private func text(of path: String) throws -> String {
        guard case .content(let bytes) = SettingsInputs.ofProcess().readFile(path) else {
            Issue.record("\(path) cannot be read")
            return ""
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func `The reference file in config is what the table of keys says`() throws {
        #expect(try text(of: Self.path) == SettingKey.referenceFile)
    }

    @Test func `The reference file lists every key, and without its marks is valid and gives the defaults`() throws {
        let settings = SettingKey.referenceFile.split(separator: "\n").filter { line in
            line.hasPrefix("#") && !line.hasPrefix("# ") && line != "#"
        }
        #expect(settings.count == SettingKey.all.count)
        let lines = settings.map { $0.dropFirst() }.filter { !$0.hasPrefix("uri-file:") }.joined(separator: "\n")
        let given = SettingsInputs(
            homeDirectory: "/home/ada",
            readFile: { path in
                path == "/etc/tensorhub/tensorhubd.yaml" ? .content(Array(lines.utf8)) : .missing
            }
        )
        let fromFile = try Settings(given)
        let defaults = try Settings(SettingsInputs(homeDirectory: "/home/ada"))
        #expect(fromFile.origins.count == SettingKey.all.count - 1)
        #expect(fromFile.uri == defaults.uri && fromFile.project == defaults.project)
        #expect(fromFile.slots == defaults.slots && fromFile.labels == defaults.labels)
        #expect(fromFile.taskNames == defaults.taskNames && fromFile.filter == defaults.filter)
        #expect(fromFile.sort == defaults.sort && fromFile.lease == defaults.lease && fromFile.grace == defaults.grace)
        #expect(fromFile.outputLimit == defaults.outputLimit && fromFile.logLevel == defaults.logLevel)
        #expect(fromFile.allowedEnvironment == defaults.allowedEnvironment)
    }
}

@Suite struct UnitTests {
    @Test(arguments: [
        ("60", 60_000), ("60s", 60_000), ("2m", 120_000), ("1h", 3_600_000), ("1.5h", 5_400_000), ("500ms", 500),
        ("1d", 86_400_000), ("0", 0), ("90 s", 90_000), ("1h30m", 5_400_000), ("4d03h", 356_400_000),
        ("3m12s", 192_000), ("1h 30m", 5_400_000), ("1m30.5s", 90_500), ("2h05m", 7_500_000),
    ])
    func `Times are read as people write them`(_ text: String, _ milliseconds: Int) {
        #expect(Quantity.duration(text) == .milliseconds(milliseconds))
    }

    @Test(arguments: [
        "", "s", "-1", "1x", "1 h 2", "nan", "inf", "1e3", "0x10", "9999999999999999999h", "1..5", "½h", "1h30",
        "30m1h", "1h1h",
        "1.5h30m", "h30m", "1h-30m", "1hm", "9999999999999999d1s",
    ])
    func `Times that are none are refused`(_ text: String) {
        #expect(Quantity.duration(text) == nil)
        #expect(Quantity.bytes(text) == nil)
    }

    @Test(arguments: [
        ("64MiB", 67_108_864), ("64 mib", 67_108_864), ("2GiB", 2_147_483_648), ("100kB", 100_000), ("7", 7),
    ])
    func `Sizes of files have binary and decimal units`(_ text: String, _ bytes: Int) {
        #expect(Quantity.bytes(text) == bytes)
    }

    @Test(arguments: ["60s", "90s", "2m", "1h", "500ms", "0s"])
    func `Times are written as they are read`(_ text: String) throws {
        #expect(Quantity.text(try #require(Quantity.duration(text))) == text)
    }
}
