// swift-tools-version: 6.2

import PackageDescription

// The tasks compute: unoptimized they would take minutes.
let optimized: [SwiftSetting] = [.unsafeFlags(["-O"])]

let shared = ["NumPyFile.swift", "SplitMix64.swift", "TutorialError.swift"]
let distributor = ["Tutorial.swift", "Digits.swift", "Network.swift"]
let task = ["TutorialTask.swift", "Training.swift", "Layer.swift"]

let package = Package(
    name: "tutorial",
    dependencies: [
        .package(name: "tensorhub", path: "../../..")
    ],
    targets: [
        .target(
            name: "TutorialArrays",
            path: ".",
            exclude: distributor + task,
            sources: shared,
            swiftSettings: optimized
        ),
        .executableTarget(
            name: "tutorial",
            dependencies: [
                "TutorialArrays",
                .product(name: "TensorHub", package: "tensorhub"),
                .product(name: "BSON", package: "tensorhub"),
            ],
            path: ".",
            exclude: shared + task,
            sources: distributor
        ),
        .executableTarget(
            name: "tutorial-task",
            dependencies: [
                "TutorialArrays",
                .product(name: "ScriptClient", package: "tensorhub"),
                .product(name: "BSON", package: "tensorhub"),
            ],
            path: ".",
            exclude: shared + distributor,
            sources: task,
            swiftSettings: optimized
        ),
    ],
    swiftLanguageModes: [.v6]
)
