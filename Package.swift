// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.strictMemorySafety()]

let package = Package(
    name: "RainbowFS",
    products: [
        .library(name: "Core", targets: ["Core"]),
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
        .target(name: "Core", dependencies: ["CLinux"], swiftSettings: strict),
        .executableTarget(
            name: "RainbowFS",
            dependencies: [
                "Core", "CFuse", "CLinux",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "Ledger", dependencies: ["Core"], path: "Examples/Ledger", swiftSettings: strict),
        .target(
            name: "TestSupport", dependencies: ["Core", "CLinux"], path: "Tests/TestSupport",
            swiftSettings: strict),
        .target(name: "CAllocationCount", path: "Tests/CAllocationCount"),
        .executableTarget(
            name: "SpaceWorker", dependencies: ["Core", "CAllocationCount", "TestSupport"],
            path: "Tests/SpaceWorker", swiftSettings: strict),
        .testTarget(
            name: "CoreTests", dependencies: ["Core", "CLinux", "SpaceWorker", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "RainbowFSTests",
            dependencies: [
                "RainbowFS", "Core", "CAllocationCount", "CLinux", "TestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "MountTests",
            dependencies: ["Core", "CLinux", "RainbowFS", "Ledger", "SpaceWorker", "TestSupport"],
            exclude: ["Scenarios", "Workloads"],
            swiftSettings: strict),
    ]
)
