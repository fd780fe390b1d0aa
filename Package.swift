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

/// The MPI to compile for, as pkg-config calls it: Open MPI's `ompi-c` unless `U2PL_MPI` says otherwise. `make build` finds
/// one and says so here (Scripts/libraries).
let mpi = Context.environment["U2PL_MPI"] ?? "ompi-c"

/// Folders of libraries that the loader does not search by itself: `U2PL_RPATH`, separated by colons.
let folders = (Context.environment["U2PL_RPATH"] ?? "").split(separator: ":").flatMap {
  ["-Xlinker", "-rpath", "-Xlinker", "\($0)"]
}

let package = Package(
  name: "u2pl",
  products: [.executable(name: "u2pl", targets: ["Launcher"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
  ],
  targets: [
    // C libraries: module maps and shims. Each is imported by one Swift module.
    .systemLibrary(name: "CMPI", pkgConfig: mpi, providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
    .systemLibrary(name: "CFiles"),
    .target(
      name: "COneDNN", linkerSettings: [.linkedLibrary("dnnl")] + (folders.isEmpty ? [] : [.unsafeFlags(folders)])),
    .target(name: "COpenBLAS", linkerSettings: [.linkedLibrary("dl")]),
    .target(name: "CImageIO", linkerSettings: [.linkedLibrary("jpeg"), .linkedLibrary("png")]),
    .target(
      name: "CNIfTI", cSettings: [.unsafeFlags(["-I/usr/include/nifti"])],
      linkerSettings: [.linkedLibrary("nifti2"), .linkedLibrary("z")]),
    .target(name: "CTIFF", linkerSettings: [.linkedLibrary("tiff")]),
    .target(name: "CParallel", linkerSettings: [.linkedLibrary("gomp")]),
    .target(name: "CSpawn"),

    // The ladder: a module imports those above it, and declares each (Scripts/check-imports). `numeric` is for kernels
    // alone: whatever reads what a user or a disk has written is compiled with Swift's checks.
    .target(name: "Compute", dependencies: ["CParallel", "COpenBLAS"], swiftSettings: numeric),
    .target(name: "Files", dependencies: ["CFiles"]),
    .target(name: "HDF5", dependencies: ["CHDF5", "Files"]),
    .target(name: "Distributed", dependencies: ["CMPI", "Compute"], swiftSettings: numeric),
    .target(name: "Network", dependencies: ["COneDNN", "Compute"], swiftSettings: numeric),
    .target(name: "Transforms", dependencies: ["Compute"], swiftSettings: numeric),
    .target(name: "Volumes", dependencies: ["CNIfTI", "CTIFF", "Files", "HDF5", "Transforms"]),
    .target(name: "Dataset", dependencies: ["CImageIO", "Compute", "Files", "HDF5", "Transforms", "Volumes"]),
    .target(name: "Annotations", dependencies: ["Dataset", "Files", "Transforms"]),
    .target(name: "Checkpoint", dependencies: ["Files", "HDF5"]),
    .target(name: "Weights", dependencies: ["Checkpoint", "Files", "HDF5", "Network"]),
    .target(name: "Configuration", dependencies: ["Files", .product(name: "Yams", package: "Yams")]),
    .target(
      name: "Method", dependencies: ["Compute", "Configuration", "Distributed", "Network", "Transforms"],
      swiftSettings: numeric),
    .target(name: "RunLogs", dependencies: ["Files"]),
    .target(name: "Liveness", dependencies: ["Distributed", "RunLogs"]),
    .target(
      name: "Report", dependencies: ["Checkpoint", "Configuration", "Files", "RunLogs"],
      resources: [.embedInCode("Page/report.css"), .embedInCode("Page/curves.js"), .embedInCode("Page/report.js")]),
    .target(
      name: "TensorBoard",
      dependencies: ["Files", .product(name: "SwiftProtobuf", package: "swift-protobuf")]),
    .target(
      name: "Trainer",
      dependencies: [
        "Checkpoint", "Compute", "Configuration", "Dataset", "Distributed", "Files", "HDF5", "Liveness", "Method",
        "Network", "Report", "RunLogs", "TensorBoard", "Transforms", "Weights",
      ]),
    .target(
      name: "Measurement",
      dependencies: [
        "Checkpoint", "Compute", "Configuration", "Dataset", "Distributed", "Files", "HDF5", "Method", "Network",
        "RunLogs", "Trainer", "Transforms",
      ]),
    .target(
      name: "Labeling",
      dependencies: ["Configuration", "Dataset", "Distributed", "Files", "Method", "Network", "Trainer", "Transforms"]),
    .target(name: "Monitor", dependencies: ["Configuration", "Files", "Liveness", "RunLogs"]),
    .target(name: "Supervisor", dependencies: ["CSpawn", "Checkpoint", "Files", "RunLogs"]),
    .executableTarget(
      name: "Launcher",
      dependencies: [
        "Annotations",
        "Checkpoint", "Compute", "Configuration", "Dataset", "Distributed", "Files", "HDF5", "Labeling", "Measurement",
        "Method", "Monitor", "Network", "Report", "RunLogs", "Supervisor", "Trainer", "Transforms", "Weights",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    .target(
      name: "TestSupport",
      dependencies: ["Compute", "Configuration", "Distributed", "Files", "HDF5", "Network"],
      path: "Tests/TestSupport"),
    .testTarget(
      name: "ComputeTests", dependencies: ["Compute", "TestSupport"],
      resources: [.copy("Expected")]),
    .testTarget(name: "FilesTests", dependencies: ["Files", "TestSupport"]),
    .testTarget(
      name: "DistributedTests", dependencies: ["Distributed", "TestSupport"],
      resources: [.copy("Expected")]),
    .testTarget(
      name: "NetworkTests", dependencies: ["Compute", "Network", "TestSupport"],
      resources: [.copy("Expected")]),
    .testTarget(name: "TransformsTests", dependencies: ["Compute", "Transforms"]),
    .testTarget(
      name: "VolumesTests", dependencies: ["Files", "Transforms", "Volumes", "TestSupport"],
      resources: [.copy("Files")]),
    .testTarget(
      name: "DatasetTests", dependencies: ["Compute", "Dataset", "HDF5", "Transforms", "TestSupport"]),
    .testTarget(name: "AnnotationsTests", dependencies: ["Annotations", "Files", "TestSupport"]),
    .testTarget(name: "CheckpointTests", dependencies: ["Checkpoint", "HDF5", "Weights", "TestSupport"]),
    .testTarget(
      name: "WeightsTests",
      dependencies: ["Checkpoint", "Compute", "HDF5", "Network", "Weights", "TestSupport"],
      resources: [.copy("Expected")]),
    .testTarget(name: "ConfigurationTests", dependencies: ["Configuration", "TestSupport"]),
    .testTarget(
      name: "MethodTests",
      dependencies: ["Compute", "Configuration", "Distributed", "Method", "Network", "Transforms", "TestSupport"],
      resources: [.copy("Expected")]),
    .testTarget(name: "RunLogsTests", dependencies: ["RunLogs"]),
    .testTarget(name: "ReportTests", dependencies: ["Report", "TestSupport"]),
    .testTarget(name: "TensorBoardTests", dependencies: ["TensorBoard", "TestSupport"]),
    .testTarget(name: "LivenessTests", dependencies: ["Liveness", "RunLogs"]),
    .testTarget(
      name: "TrainerTests", dependencies: ["Checkpoint", "Dataset", "HDF5", "Trainer", "TestSupport", "Volumes"]),
    .testTarget(name: "MeasurementTests", dependencies: ["Configuration", "Measurement", "TestSupport"]),
    .testTarget(
      name: "LabelingTests",
      dependencies: ["Configuration", "Distributed", "Labeling", "Trainer", "Transforms", "TestSupport"]),
    .testTarget(name: "MonitorTests", dependencies: ["Files", "Monitor", "RunLogs", "TestSupport"]),
    .testTarget(name: "SupervisorTests", dependencies: ["RunLogs", "Supervisor", "TestSupport"]),
    // They run the built program. Of the modules they use no more than it takes to make its input and check its output.
    .testTarget(
      name: "LauncherTests",
      dependencies: [
        "Checkpoint", "Compute", "Configuration", "Dataset", "Distributed", "HDF5", "Method", "Network", "Trainer",
        "Transforms",
        "Weights", "TestSupport",
      ]),
  ]
)
