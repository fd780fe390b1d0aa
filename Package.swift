// swift-tools-version: 6.0
import PackageDescription

/// Numeric code indexes through unsafe pointers in hot loops; unchecked arithmetic lets them vectorise, and on x86 with
/// AVX2 (any server since 2015), of which the program makes sure before anything else runs.
#if arch(x86_64)
  let processor = ["-Xcc", "-march=x86-64-v3"]
#else
  let processor: [String] = []
#endif
/// With `U2PL_CHECKED=1` in the environment, numeric code keeps Swift's checks of indices, overflow and preconditions. Such a
/// build needs a scratch path of its own: `U2PL_CHECKED=1 swift build -c release --scratch-path .build-checked`.
let isChecked = Context.environment["U2PL_CHECKED"] == "1"
let numeric: [SwiftSetting] = [
  .unsafeFlags((isChecked ? [] : ["-Ounchecked"]) + ["-wmo"] + processor, .when(configuration: .release))
]

let package = Package(
  name: "u2pl",
  products: [.executable(name: "u2pl", targets: ["Launcher"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // C libraries: module maps and shims. Each is imported by the one module above it.
    .systemLibrary(name: "CMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
    .target(name: "COneDNN", linkerSettings: [.linkedLibrary("dnnl")]),
    .target(name: "COpenBLAS", linkerSettings: [.linkedLibrary("dl")]),
    .target(name: "CImageIO", linkerSettings: [.linkedLibrary("jpeg"), .linkedLibrary("png")]),
    .target(name: "CParallel", linkerSettings: [.linkedLibrary("gomp")]),
    .target(name: "CSpawn"),

    .target(name: "Compute", dependencies: ["CParallel", "COpenBLAS"], swiftSettings: numeric),
    .target(name: "Distributed", dependencies: ["CMPI", "Compute"], swiftSettings: numeric),
    .target(name: "Network", dependencies: ["COneDNN", "Compute"], swiftSettings: numeric),
    .target(name: "HDF5", dependencies: ["CHDF5"]),
    .target(name: "Dataset", dependencies: ["CImageIO", "Compute", "HDF5"], swiftSettings: numeric),
    .target(name: "Checkpoint", dependencies: ["HDF5"]),
    .target(name: "RunLogs"),
    .target(name: "Configuration", dependencies: [.product(name: "Yams", package: "Yams")]),
    .target(
      name: "Trainer",
      dependencies: [
        "Compute", "Distributed", "Network", "Dataset", "Checkpoint", "Configuration",
      ],
      swiftSettings: numeric),
    .target(name: "Supervisor", dependencies: ["CSpawn", "Checkpoint"]),
    .executableTarget(
      name: "Launcher",
      dependencies: [
        "Trainer", "RunLogs", "Supervisor", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    .target(
      name: "TestSupport", dependencies: ["Compute", "Network", "Distributed"],
      path: "Tests/TestSupport"),
    .testTarget(
      name: "ComputeTests", dependencies: ["Compute", "TestSupport"],
      resources: [.copy("Expected")]),
    .testTarget(
      name: "DistributedTests", dependencies: ["Distributed", "TestSupport"],
      resources: [.copy("Expected")]),
    .testTarget(
      name: "NetworkTests", dependencies: ["Network", "TestSupport"],
      resources: [.copy("Expected")]),
    .testTarget(name: "DatasetTests", dependencies: ["Dataset", "HDF5", "TestSupport"]),
    .testTarget(name: "CheckpointTests", dependencies: ["Checkpoint", "TestSupport"]),
    .testTarget(name: "RunLogsTests", dependencies: ["RunLogs"]),
    .testTarget(name: "ConfigurationTests", dependencies: ["Configuration", "TestSupport"]),
    .testTarget(
      name: "TrainerTests", dependencies: ["Trainer", "TestSupport"],
      resources: [.copy("Expected")]),
    .testTarget(
      name: "WeightsTests", dependencies: ["Trainer", "TestSupport"], resources: [.copy("Expected")]),
    .testTarget(name: "SupervisorTests", dependencies: ["Supervisor", "TestSupport"]),
    // They run the built program. Of the modules they use no more than it takes to make its input and check its output.
    .testTarget(name: "LauncherTests", dependencies: ["Trainer", "TestSupport"]),
  ]
)
