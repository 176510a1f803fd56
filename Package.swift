// swift-tools-version: 6.1
// SPDX-License-Identifier: GPL-3.0-or-later

import PackageDescription

let swiftSettings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
  name: "nmmask",
  products: [
    .executable(name: "nmmask", targets: ["nmmask"]),
    .library(name: "Sparsity", targets: ["Sparsity"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/attaswift/BigInt", from: "6.0.1"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .executableTarget(
      name: "nmmask",
      dependencies: [
        "MaskAPI",
        "MicroHTTP",
        "Sparsity",
        "SyntheticWeights",
        "TensorIO",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ],
      swiftSettings: swiftSettings
    ),
    .target(
      name: "MaskAPI",
      dependencies: [
        "CScheduler",
        "MicroHTTP",
        "Sparsity",
        "TensorIO",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
      ],
      resources: [.embedInCode("Resources/openapi.yaml")],
      swiftSettings: swiftSettings
    ),
    .target(
      name: "MicroHTTP",
      dependencies: [
        "CMicroHTTPD",
        .product(name: "HTTPTypes", package: "swift-http-types"),
      ],
      swiftSettings: swiftSettings
    ),
    .target(
      name: "TensorIO",
      dependencies: ["CKernels", "CZlib", "CZstd", "Sparsity"],
      swiftSettings: swiftSettings
    ),
    .target(
      name: "Sparsity",
      dependencies: [
        "CGLPK",
        "CKernels",
        .product(name: "BigInt", package: "BigInt"),
      ],
      swiftSettings: swiftSettings
    ),
    .target(name: "SyntheticWeights", swiftSettings: swiftSettings),
    .target(name: "CKernels"),
    .target(name: "CGLPK", linkerSettings: [.linkedLibrary("glpk")]),
    .systemLibrary(
      name: "CMicroHTTPD",
      pkgConfig: "libmicrohttpd",
      providers: [.apt(["libmicrohttpd-dev"])]
    ),
    .systemLibrary(name: "CScheduler"),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .testTarget(
      name: "SparsityTests",
      dependencies: [
        "CGLPK", "Sparsity", "SyntheticWeights", .product(name: "BigInt", package: "BigInt"),
      ],
      swiftSettings: swiftSettings
    ),
    .testTarget(
      name: "TensorIOTests",
      dependencies: ["CZlib", "CZstd", "SyntheticWeights", "TensorIO"],
      swiftSettings: swiftSettings
    ),
    .testTarget(
      name: "MicroHTTPTests",
      dependencies: [
        "MicroHTTP", "SyntheticWeights", .product(name: "HTTPTypes", package: "swift-http-types"),
      ],
      swiftSettings: swiftSettings
    ),
    .testTarget(
      name: "MaskAPITests",
      dependencies: [
        "MaskAPI", "MicroHTTP", "Sparsity", "SyntheticWeights", "TensorIO",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Yams", package: "Yams"),
      ],
      swiftSettings: swiftSettings
    ),
  ],
  swiftLanguageModes: [.v6]
)

// The fuzz targets need every module instrumented: `Scripts/fuzz` asks for them.
if Context.environment["NMMASK_FUZZING"] != nil {
  package.targets.append(
    .executableTarget(
      name: "nmmask-fuzz",
      dependencies: [
        "CZlib", "CZstd", "MaskAPI", "MicroHTTP", "Sparsity", "SyntheticWeights", "TensorIO",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Tests/Fuzzing/Targets",
      swiftSettings: swiftSettings + [.unsafeFlags(["-parse-as-library"])]
    )
  )
}
