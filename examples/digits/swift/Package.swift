// swift-tools-version: 6.2

import PackageDescription

let package = Package(
    name: "distribute",
    dependencies: [
        .package(name: "tensorhub", path: "../../..")
    ],
    targets: [
        .executableTarget(
            name: "distribute",
            dependencies: [.product(name: "TensorHub", package: "tensorhub")],
            path: ".",
            sources: ["distribute.swift"]
        )
    ],
    swiftLanguageModes: [.v6]
)
