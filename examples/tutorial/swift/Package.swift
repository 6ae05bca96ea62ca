// swift-tools-version: 6.2

import PackageDescription

let package = Package(
    name: "tutorial",
    dependencies: [
        .package(name: "tensorhub", path: "../../..")
    ],
    targets: [
        .executableTarget(
            name: "tutorial",
            dependencies: [
                .product(name: "TensorHub", package: "tensorhub"),
                .product(name: "BSON", package: "tensorhub"),
            ],
            path: ".",
            sources: ["Tutorial.swift", "Digits.swift", "Network.swift", "NumPyFile.swift"]
        )
    ],
    swiftLanguageModes: [.v6]
)
