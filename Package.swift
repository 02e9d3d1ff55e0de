// swift-tools-version: 6.2
import PackageDescription

// Lifetimes: JSONReader stores the span that it reads. Warnings are errors where we test, not where a newer compiler than
// ours builds it for its user.
let strict: [SwiftSetting] =
  [.enableExperimentalFeature("Lifetimes")]
  + (Context.environment["CI"] == nil ? [] : [.treatAllWarnings(as: .error)])

let package = Package(
  name: "SheepFCGI",
  products: [
    .executable(name: "sheepfcgi", targets: ["SheepFCGI"]),
    .executable(name: "mock-provider", targets: ["MockProvider"]),
    .executable(name: "stream-bench", targets: ["StreamBench"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .systemLibrary(name: "CFCGI", providers: [.apt(["libfcgi-dev"])]),
    .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .target(name: "CLinux", cSettings: [.define("_GNU_SOURCE")]),
    .target(name: "Streaming", dependencies: ["CFCGI"], swiftSettings: strict),
    .executableTarget(
      name: "SheepFCGI",
      dependencies: [
        "CCurl", "CLinux", "Streaming", "Yams",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "MockProvider",
      dependencies: [
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "StreamBench",
      dependencies: [
        "CLinux", "Streaming",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .testTarget(name: "SheepFCGITests", dependencies: ["SheepFCGI", "Yams"], swiftSettings: strict),
    .testTarget(name: "StreamBenchTests", dependencies: ["StreamBench"], swiftSettings: strict),
    .testTarget(name: "StreamingTests", dependencies: ["Streaming"], swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
