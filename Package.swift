// swift-tools-version: 6.2
import PackageDescription

// One place for the compiler's strictness; docs/CONTRIBUTING.md says why each is on.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .enableUpcomingFeature("ImmutableWeakCaptures"),
    .treatAllWarnings(as: .error),
    .treatWarning("DeprecatedDeclaration", as: .warning),
]

// Targets that hand memory to C mark every such place.
let strictMemory = strict + [.strictMemorySafety()]

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioTestUtils = Target.Dependency.product(name: "NIOTestUtils", package: "swift-nio")
let nioConcurrency = Target.Dependency.product(name: "NIOConcurrencyHelpers", package: "swift-nio")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let configuration = Target.Dependency.product(name: "Configuration", package: "swift-configuration")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let nioHTTPTypes = Target.Dependency.product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let nioHTTPTypesHTTP2 = Target.Dependency.product(name: "NIOHTTPTypesHTTP2", package: "swift-nio-extras")
let nioHTTPTypesHTTP1 = Target.Dependency.product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let nioHTTP2 = Target.Dependency.product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")

let package = Package(
    name: "avatard",
    products: [
        .executable(name: "avatard", targets: ["avatard"]),
        .executable(name: "avatarctl", targets: ["avatarctl"]),
        .executable(name: "avatar-server", targets: ["avatar-server"]),
        .library(name: "AvatarAgentClient", targets: ["AvatarAgentClient", "LabelBus"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(
            url: "https://github.com/apple/swift-configuration", from: "1.4.0",
            traits: ["YAML", "CommandLineArguments"]),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    ],
    targets: [
        // System modules: a module map and a shim, nothing else.
        .systemLibrary(
            name: "CInotifyTools", providers: [.apt(["libinotifytools0-dev"])]),
        .systemLibrary(
            name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),
        .systemLibrary(name: "CMariaDB", pkgConfig: "libmariadb", providers: [.apt(["libmariadb-dev"])]),

        .systemLibrary(name: "CLinux"),

        // What more than one adapter needs of the kernel and of libcrypto.
        .target(name: "PosixFiles", dependencies: ["AvatarCore", "CLinux", "CCrypto"], swiftSettings: strictMemory),

        // Values and decisions: no IO, no clock, no randomness of their own.
        .target(name: "AvatarCore", swiftSettings: strict),
        .target(name: "TransferMachines", dependencies: ["AvatarCore", deque, heap], swiftSettings: strict),

        // Codecs.
        .target(name: "WireProtocol", dependencies: ["AvatarCore", nioCore], swiftSettings: strict),
        .target(name: "LabelBus", dependencies: ["AvatarCore", nioCore, deque], swiftSettings: strict),

        // Adapters: each leans on the values, none on another adapter.
        .target(
            name: "AvatarCache", dependencies: ["AvatarCore", "PosixFiles", grdb],
            swiftSettings: strictMemory),
        .target(
            name: "FolderWatch", dependencies: ["AvatarCore", "CInotifyTools", "PosixFiles"],
            swiftSettings: strictMemory),
        .target(
            name: "ServerStores",
            dependencies: [
                "ServerRuntime", "TransferMachines", "AvatarCore", "PosixFiles", "CHiredis", "CMariaDB", grdb,
            ], swiftSettings: strictMemory),

        // What every main needs: configuration in layers, a word to the service manager, the executor, the limit of descriptors.
        .target(
            name: "ProgramSupport", dependencies: ["AvatarCore", "PosixFiles", configuration, yams, nioPosix, logging], swiftSettings: strict),

        // Runtimes: drive the machines with real sockets, files and timers.
        .target(
            name: "AgentRuntime",
            dependencies: [
                "AvatarCore", "TransferMachines", "WireProtocol", "LabelBus", "AvatarCache", "FolderWatch",
                "PosixFiles",
                "ProgramSupport", nioCore, nioPosix, logging, lifecycle, configuration, deque,
                asyncHTTPClient, nioHTTP1, nioSSL,
            ], swiftSettings: strict),
        .target(
            name: "ServerRuntime",
            dependencies: [
                "AvatarCore", "TransferMachines", "WireProtocol", "PosixFiles", "ProgramSupport", nioCore, nioPosix,
                nioConcurrency, logging, lifecycle,
            ],
            swiftSettings: strict),
        .target(
            name: "HTTPFront",
            dependencies: [
                "AvatarCore", "TransferMachines", "PosixFiles", "ProgramSupport", "ServerRuntime",
                hummingbird, hummingbirdCore, nioSSL, nioTLS, nioHTTPTypes, nioHTTPTypesHTTP1, nioHTTPTypesHTTP2,
                nioHTTP1, nioHTTP2, httpTypes,
                nioCore, nioPosix, logging, lifecycle,
            ], swiftSettings: strict),
        .target(
            name: "AvatarAgentClient", dependencies: ["AvatarCore", "LabelBus", nioCore, nioPosix],
            swiftSettings: strict),

        // Mains.
        .executableTarget(
            name: "avatard", dependencies: ["AgentRuntime", "AvatarCore", "ProgramSupport", arguments, logging, lifecycle],
            swiftSettings: strict),
        .executableTarget(
            name: "avatarctl",
            dependencies: [
                "AvatarAgentClient", "LabelBus", "AvatarCore", "PosixFiles", "ProgramSupport", nioCore, arguments,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "avatar-server",
            dependencies: [
                "ServerRuntime", "ServerStores", "HTTPFront", "TransferMachines", "AvatarCore",
                "PosixFiles", "ProgramSupport", nioCore,
                arguments, logging, lifecycle,
            ],
            swiftSettings: strict),

        // Tests.
        .target(
            name: "TestPictures", dependencies: ["AvatarCore"], path: "Tests/Support/TestPictures",
            swiftSettings: strict),
        .testTarget(
            name: "AvatarCoreTests", dependencies: ["AvatarCore", "TestPictures"], path: "Tests/Unit/AvatarCoreTests",
            swiftSettings: strict),
        .testTarget(
            name: "ProgramSupportTests",
            dependencies: [
                "ProgramSupport", "AgentRuntime", "ServerRuntime", "AvatarCore", "BusTestSupport", nioCore, nioPosix,
                logging,
            ],
            path: "Tests/Unit/ProgramSupportTests", swiftSettings: strict),
        .testTarget(
            name: "PosixFilesTests", dependencies: ["PosixFiles", "AvatarCore", "TestMounts"],
            path: "Tests/Unit/PosixFilesTests",
            swiftSettings: strict),
        .testTarget(
            name: "TransferMachinesTests", dependencies: ["TransferMachines", "AvatarCore"],
            path: "Tests/Unit/TransferMachinesTests",
            swiftSettings: strict),
        .testTarget(
            name: "WireProtocolTests",
            dependencies: ["WireProtocol", "AvatarCore", nioCore, nioEmbedded, nioTestUtils],
            path: "Tests/Unit/WireProtocolTests",
            swiftSettings: strict),
        .target(
            name: "BusTestSupport",
            dependencies: ["LabelBus", "AgentRuntime", "AvatarCore", nioCore, nioPosix, logging],
            path: "Tests/Support/BusTestSupport", swiftSettings: strict),
        .executableTarget(
            name: "BusBench",
            dependencies: [
                "LabelBus", "AgentRuntime", "AvatarCore", "PosixFiles", "ProgramSupport", "TestPictures",
                "BusTestSupport", "CLinux",
                nioCore, nioPosix, logging, lifecycle, arguments,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ], path: "Tests/Benchmarks/BusBench", swiftSettings: strict),
        .executableTarget(
            name: "ImageFuzz", dependencies: ["AvatarCore", "TestPictures", arguments], path: "Tests/Fuzz/ImageFuzz",
            swiftSettings: strict),
        .executableTarget(
            name: "BusFuzz",
            dependencies: ["LabelBus", "BusTestSupport", "AvatarCore", nioCore, nioEmbedded, arguments],
            path: "Tests/Fuzz/BusFuzz", swiftSettings: strict),
        .testTarget(
            name: "LabelBusTests",
            dependencies: [
                "LabelBus", "AgentRuntime", "AvatarAgentClient", "AvatarCore", "BusTestSupport", "BusBench",
                "PosixFiles", "avatard",
                "avatarctl", nioCore, nioPosix, nioEmbedded, nioTestUtils, logging, lifecycle,
            ], path: "Tests/Unit/LabelBusTests", exclude: ["Python"], swiftSettings: strict),
        .testTarget(
            name: "AvatarCacheTests",
            dependencies: [
                "AvatarCache", "AvatarCore", "PosixFiles", "TestPictures", "TestMounts", "folder-helper",
                grdb,
            ], path: "Tests/Unit/AvatarCacheTests",
            swiftSettings: strict),
        .testTarget(
            name: "AgentRuntimeTests",
            dependencies: [
                "AgentRuntime", "AvatarCache", "AvatarCore", "FolderWatch", "PosixFiles", "ProgramSupport",
                "TransferMachines", "BusTestSupport", "TestPictures", logging,
            ],
            path: "Tests/Unit/AgentRuntimeTests", swiftSettings: strict),
        .target(name: "TestMounts", path: "Tests/Support/TestMounts", swiftSettings: strict),
        .executableTarget(
            name: "folder-helper", dependencies: ["AvatarCache", "FolderWatch", "AvatarCore", "TestPictures"],
            path: "Tests/Support/FolderHelper", swiftSettings: strict),
        .executableTarget(
            name: "folder-bench", dependencies: ["AvatarCache", "FolderWatch", "AvatarCore", "TestPictures"],
            path: "Tests/Benchmarks/FolderBench", swiftSettings: strict),
        .testTarget(
            name: "FolderWatchTests",
            dependencies: [
                "FolderWatch", "TransferMachines", "AvatarCache", "AvatarCore", "PosixFiles", "TestPictures", "TestMounts",
                "folder-helper",
            ],
            path: "Tests/Unit/FolderWatchTests",
            swiftSettings: strict),
        .testTarget(
            name: "ServerRuntimeTests",
            dependencies: [
                "avatar-server", "ServerRuntime", "ServerStores", "TransferMachines",
                "WireProtocol", "HTTPFront", "TestPictures",
                "AvatarCore", "PosixFiles", nioCore, nioPosix, logging,
            ], path: "Tests/Unit/ServerRuntimeTests", exclude: ["Python"],
            swiftSettings: strict),
        .testTarget(
            name: "HTTPFrontTests", dependencies: ["HTTPFront", "ServerRuntime", "TransferMachines", "AvatarCore", nioCore],
            path: "Tests/Unit/HTTPFrontTests",
            swiftSettings: strict),
        .executableTarget(
            name: "delay-link", path: "Tests/Benchmarks/Distance/DelayLink", swiftSettings: strict),
        .executableTarget(
            name: "ServerBench",
            dependencies: ["WireProtocol", "AvatarCore", "PosixFiles", nioCore, nioPosix, arguments],
            path: "Tests/Benchmarks/ServerBench", swiftSettings: strict),
        .testTarget(
            name: "ServerStoresTests",
            dependencies: [
                "ServerStores", "ServerRuntime", "TransferMachines", "AvatarCore", "PosixFiles", grdb,
            ], path: "Tests/Unit/ServerStoresTests",
            swiftSettings: strict),
        .target(
            name: "Simulation",
            dependencies: [
                "AvatarCore", "TransferMachines", "WireProtocol", "AgentRuntime", "ServerRuntime", "HTTPFront", "PosixFiles",
                nioCore, nioHTTP1, deque, heap,
            ], path: "Tests/Simulation/Simulation", swiftSettings: strict),
        .executableTarget(
            name: "simulate", dependencies: ["Simulation", arguments], path: "Tests/Simulation/SimulateTool",
            swiftSettings: strict
        ),
        .testTarget(
            name: "SimulationTests", dependencies: ["Simulation", "simulate"], path: "Tests/Simulation/SimulationTests",
            exclude: ["found.txt"],
            swiftSettings: strict),
        .testTarget(
            name: "ArchitectureTests", dependencies: ["BusTestSupport", "avatard"],
            path: "Tests/Unit/ArchitectureTests", swiftSettings: strict),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "AvatarCore", "AvatarAgentClient", "LabelBus", "WireProtocol", "PosixFiles", "BusTestSupport",
                "TestMounts", "ServerRuntime",
                "TestPictures",
                "avatard", "avatarctl", "avatar-server", nioCore, nioPosix,
            ], path: "Tests/Integration", exclude: ["Python"], swiftSettings: strict),
    ]
)
