// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.strictMemorySafety()]

let package = Package(
    name: "RainbowFS",
    products: [
        .library(name: "RainbowCore", targets: ["RainbowCore"]),
        .executable(name: "rainbowfs", targets: ["RainbowFS"]),
        .executable(name: "ledger", targets: ["Ledger"]),
        .executable(name: "space-worker", targets: ["SpaceWorker"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    ],
    targets: [
        .systemLibrary(name: "CLinux"),
        .systemLibrary(
            name: "CFuse", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
        .target(
            name: "RainbowCore", dependencies: ["CLinux"], path: "Sources/Core",
            swiftSettings: strict),
        .executableTarget(
            name: "RainbowFS",
            dependencies: [
                "RainbowCore", "CFuse", "CLinux",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "Ledger", dependencies: ["RainbowCore"], path: "Examples/Ledger",
            swiftSettings: strict),
        .target(
            name: "TestSupport", dependencies: ["RainbowCore", "CLinux"], path: "Tests/TestSupport",
            swiftSettings: strict),
        .target(name: "CAllocationCount", path: "Tests/CAllocationCount"),
        .executableTarget(
            name: "SpaceWorker", dependencies: ["RainbowCore", "CAllocationCount", "TestSupport"],
            path: "Tests/SpaceWorker", swiftSettings: strict),
        .testTarget(
            name: "CoreTests",
            dependencies: ["RainbowCore", "CLinux", "SpaceWorker", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "RainbowFSTests",
            dependencies: [
                "RainbowFS", "RainbowCore", "CAllocationCount", "CLinux", "TestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "MountTests",
            dependencies: [
                "RainbowCore", "CLinux", "RainbowFS", "Ledger", "SpaceWorker", "TestSupport",
            ],
            exclude: ["Scenarios", "Workloads"],
            swiftSettings: strict),
    ]
)
