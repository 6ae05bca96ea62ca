// swift-tools-version: 6.2

import PackageDescription

/// The same rules for every target: Swift 6 mode and the upcoming features that make imports and isolation explicit.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let package = Package(
    name: "tensorhub",
    products: [
        .library(name: "BSON", targets: ["BSON"]),
        .library(name: "MongoDriver", targets: ["MongoDriver"]),
        .library(name: "TensorHub", targets: ["TensorHub"]),
        .library(name: "TaskRunner", targets: ["TaskRunner"]),
        .library(name: "HubAPI", targets: ["HubAPI"]),
        .library(name: "ScriptClient", targets: ["ScriptClient"]),
        .executable(name: "tensorhub", targets: ["tensorhub"]),
        .executable(name: "tensorhubd", targets: ["tensorhubd"]),
        .executable(name: "tensorhub-supervisor", targets: ["tensorhub-supervisor"]),
    ],
    dependencies: [
        // Command lines, help texts and shell completions of both executables.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        // The logging API that every Swift server program already has a backend for.
        .package(url: "https://github.com/apple/swift-log", from: "1.12.0"),
        // NIOThreadPool for what blocks on a disk; what the HTTP server is built on.
        .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
        // The HTTP server of the script API. Without its traits it brings no Foundation, 8 MB resident in an idle
        // daemon.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        // The words of HTTP that Hummingbird's server speaks; without its traits as there.
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        // `tensorhub serve --tls-certificate`.
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.2"),
        // Signals, graceful shutdown and the order of services in the daemon.
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.8.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CLibMongoC",
            pkgConfig: "libmongoc-1.0",
            providers: [.apt(["libmongoc-dev", "libbson-dev"])]
        ),
        .systemLibrary(name: "CLibSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
        // YAML with the line of every key. libyaml itself, because Yams brings Foundation: 8 MB resident in an idle
        // daemon.
        .systemLibrary(name: "CLibYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        // SHA-256 by OpenSSL, which libmongoc has in the process anyway; swift-crypto brings Foundation.
        .systemLibrary(name: "CLibCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        // Compressed members of .npz files, whose headers tell what arrays they hold; PNG; checksums.
        .systemLibrary(name: "CLibZ", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CLinux"),
        // For executables alone: .preinit_array cannot be in a shared library.
        .target(name: "CMongoStart"),
        // Every call on a file or a folder, and what the system says of it.
        .target(name: "Files", dependencies: ["CLinux"], swiftSettings: settings),
        // Threads that may block, and one thing that many wait for.
        .target(name: "Threads", swiftSettings: settings),
        .target(name: "BSON", swiftSettings: settings),
        .target(
            name: "MongoDriver",
            dependencies: [
                "BSON", "Files", "Threads", "CLibMongoC", "CLibCrypto",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "TensorHub",
            dependencies: [
                "BSON", "MongoDriver", "Files", "CLinux", "CLibCrypto", "CLibZ",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        // HTTP and JSON for scripts in any language.
        .target(
            name: "HubAPI",
            dependencies: [
                "TensorHub", "MongoDriver", "BSON", "Files", "Threads", "CLinux",
                // The server alone: its router and coders would bring FoundationEssentials and a second JSON.
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            resources: [.embedInCode("Resources")],
            swiftSettings: settings
        ),
        .target(
            name: "TaskRunner",
            dependencies: [
                "TensorHub", "MongoDriver", "BSON", "Files", "Threads", "CLinux", "CLibZ",
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Logging", package: "swift-log"),
            ],
            resources: [.embedInCode("Resources")],
            swiftSettings: settings
        ),
        // What a script in Swift says to its runner. Without libmongoc, which a script has no use for.
        .target(
            name: "ScriptClient",
            dependencies: [
                "BSON", "Files", "Threads",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        // The private one-node replica set of `tensorhub dev` and of the tests.
        .target(
            name: "LocalMongo",
            dependencies: ["MongoDriver", "BSON", "Files", "Threads", .product(name: "Logging", package: "swift-log")],
            swiftSettings: settings
        ),
        .target(
            name: "Systemd",
            dependencies: ["CLibSystemd", .product(name: "Logging", package: "swift-log")],
            swiftSettings: settings
        ),
        .target(
            name: "Settings",
            dependencies: ["BSON", "Files", "CLibYAML"],
            swiftSettings: settings
        ),
        // Curves in a terminal, as SVG and as PNG: for `tensorhub log plot`, and nothing that a daemon should carry.
        .target(name: "Plot", dependencies: ["CLibZ"], swiftSettings: settings),
        // What both executables have in common on a terminal: exit statuses, output, tables, the log on standard error.
        .target(
            name: "Console",
            dependencies: [
                "TensorHub", "TaskRunner", "MongoDriver", "BSON", "Files", "Threads", "Settings", "CLinux",
                "CMongoStart",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "tensorhub-supervisor",
            // Static and without the Swift runtime, which SwiftPM would link even here: half the CPU time of a start, a
            // tenth of the memory. A package that depends on our libraries may: no library contains this target.
            linkerSettings: [.unsafeFlags(["-static-executable", "-nostartfiles"])]
        ),
        .executableTarget(
            name: "tensorhub",
            dependencies: [
                "TensorHub", "TaskRunner", "HubAPI", "LocalMongo", "MongoDriver", "BSON", "Settings", "Console",
                "Files", "Threads", "CLinux", "Plot",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "tensorhubd",
            dependencies: [
                "TensorHub", "TaskRunner", "HubAPI", "MongoDriver", "BSON", "Settings", "Systemd", "Console", "CLinux",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        // What scripts/bench runs; no part of an installation.
        .executableTarget(
            name: "tensorhub-bench",
            dependencies: [
                "TensorHub", "LocalMongo", "MongoDriver", "BSON", "Console", "Files",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            path: "Benchmarks/tensorhub-bench",
            swiftSettings: settings
        ),
        // What tests share: a real mongod, temporary folders, waiting for a condition.
        .target(
            name: "TestSupport",
            dependencies: ["TensorHub", "LocalMongo", "MongoDriver", "BSON", "Threads"],
            path: "Tests/TestSupport",
            swiftSettings: settings
        ),
        // What does harm and what checks that none was done: faults, trials, the checker of histories.
        .target(
            name: "Chaos",
            dependencies: ["TensorHub", "LocalMongo", "MongoDriver", "BSON", "Threads", "TestSupport"],
            path: "Tests/Chaos",
            swiftSettings: settings
        ),
        // The long form, for scripts/chaos.
        .executableTarget(
            name: "chaos-run",
            dependencies: ["Chaos", "TestSupport", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Tests/chaos-run",
            swiftSettings: settings
        ),
        // A script in Swift, for the tests that run one.
        .executableTarget(
            name: "reporting-script",
            dependencies: ["ScriptClient", "BSON"],
            path: "Tests/reporting-script",
            swiftSettings: settings
        ),
        .testTarget(name: "FilesTests", dependencies: ["Files", "CLinux", "TestSupport"], swiftSettings: settings),
        .testTarget(name: "ThreadsTests", dependencies: ["Threads", "TestSupport"], swiftSettings: settings),
        // The sources themselves: which module imports which, how names are compared, how tests are named.
        .testTarget(name: "HouseTests", dependencies: ["TestSupport"], swiftSettings: settings),
        .testTarget(name: "BSONTests", dependencies: ["BSON", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "MongoDriverTests",
            dependencies: ["MongoDriver", "LocalMongo", "BSON", "Threads", "TestSupport"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TensorHubTests",
            dependencies: ["TensorHub", "LocalMongo", "MongoDriver", "BSON", "Files", "TestSupport"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TaskRunnerTests",
            dependencies: [
                "TaskRunner", "HubAPI", "ScriptClient", "TensorHub", "LocalMongo", "MongoDriver", "BSON", "Files",
                "Threads",
                "TestSupport",
                "tensorhub-supervisor",
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "HubAPITests",
            dependencies: [
                "HubAPI", "ScriptClient", "TensorHub", "MongoDriver", "BSON", "Files", "Threads", "TestSupport",
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: settings
        ),
        .testTarget(name: "PlotTests", dependencies: ["Plot", "TestSupport"], swiftSettings: settings),
        .testTarget(name: "SettingsTests", dependencies: ["Settings", "BSON", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "TensorHub", "TaskRunner", "HubAPI", "MongoDriver", "BSON", "Threads", "Console", "Settings",
                "TestSupport",
                "tensorhub", "tensorhubd", "tensorhub-bench", "tensorhub-supervisor", "reporting-script",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ChaosTests",
            dependencies: [
                "Chaos", "TensorHub", "MongoDriver", "BSON", "TestSupport", "tensorhub", "tensorhubd",
                "tensorhub-supervisor",
            ],
            swiftSettings: settings
        ),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17
)

// scripts/test asks for this. Not the rule, because a newer compiler warns about more than today's and people must
// still be able to build.
if Context.environment["TENSORHUB_WARNINGS_AS_ERRORS"] == "1" {
    for target in package.targets where target.type != .system {
        target.swiftSettings = (target.swiftSettings ?? []) + [.treatAllWarnings(as: .error)]
        target.cSettings = (target.cSettings ?? []) + [.enableWarning("all"), .treatAllWarnings(as: .error)]
    }
}

// scripts/sanitize asks for this: the supervisor is static and cannot carry a sanitizer's runtime, so what needs it is
// left out. It is C of its own, with tests of real processes.
if Context.environment["TENSORHUB_SANITIZING"] == "1" {
    let left: Set<String> = [
        "tensorhub-supervisor", "tensorhub", "tensorhubd", "tensorhub-bench", "TaskRunnerTests", "CommandTests",
        "Chaos", "chaos-run", "ChaosTests",
    ]
    package.targets.removeAll { left.contains($0.name) }
    package.products.removeAll { left.contains($0.name) }
}
