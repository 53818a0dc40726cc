internal import AvatarCore
internal import Foundation
internal import NIOCore
internal import NIOPosix
internal import PosixFiles
internal import Synchronization
internal import TestPictures

/// avatard and avatar-server as they are installed, and subscribers of one picture that is deleted and fetched again: how long after its
/// rename into place is it told?
final class AgentBench {
    /// A program that is not there, or ended.
    struct Unusable: Error, CustomStringConvertible { let description: String }

    private static let picture = "p.png"
    private let folder: String
    private let server = Process()
    private let agent = Process()
    private let renames: RenameClock

    private var cache: String { folder + "/cache" }
    private var socket: String { folder + "/agent.sock" }

    /// Starts both in `folder`, which is empty.
    init(folder: String, sync: String) throws {
        self.folder = folder
        let root = folder + "/srv/1001"
        for path in [root, folder + "/cache"] {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        renames = try RenameClock(folder: folder + "/cache")
        try Data(try TestPictures.padded(.png, to: 20 * 1024)).write(
            to: URL(fileURLWithPath: root + "/" + Self.picture))
        let stores = ["--storage-root", folder + "/srv", "--stores-sqlite-file", folder + "/srv.sqlite"]
        let token = folder + "/token"
        try Data("a-token-for-this-run\n".utf8).write(to: URL(fileURLWithPath: token))
        chmod(token, 0o600)
        let adding = try Self.launch(
            Process(), "avatar-server", ["user", "add", "--uid", "1001", "--token-file", token] + stores)
        adding.waitUntilExit()
        let portFile = folder + "/port"
        try Self.launch(
            server, "avatar-server",
            ["serve", "--listen-port", "0", "--port-file", portFile, "--storage-sync", "none", "--log-level", "error"]
                + stores)
        let port = try Self.wait("the server's port") {
            (try? String(contentsOfFile: portFile, encoding: .utf8)).flatMap { Int($0.dropLast()) }
        }
        try Self.launch(
            agent, "avatard",
            [
                "--server-host", "127.0.0.1", "--server-port", "\(port)", "--identity-uid", "1001",
                "--identity-token-file", token, "--cache-directory", folder + "/cache", "--upload-directory",
                folder + "/crops", "--state-directory", folder + "/state", "--bus-socket", folder + "/agent.sock",
                "--storage-sync", sync, "--log-level", "error",
            ])
        let path = folder + "/agent.sock"
        _ = try Self.wait("the agent's socket") { (try? UnixSocket.probe(path)) == .answered ? true : nil }
    }

    func stop() {
        for process in [agent, server] {
            process.terminate()
            process.waitUntilExit()
        }
        renames.stop()
    }

    /// Nanoseconds from the rename to each subscriber's read, of `rounds` rounds; and the agent's CPU seconds of a round.
    func latencies(
        subscribers: Int, rounds: Int, on eventLoop: any EventLoop
    ) async throws -> (nanoseconds: [Int], cpuSeconds: Double) {
        let audience = try await eventLoop.submit { NIOLoopBound(Audience(), eventLoop: eventLoop) }.get()
        let control = try await ClientBootstrap(group: eventLoop).connect(unixDomainSocketPath: socket).get()
        var channels: [any Channel] = [control]
        _ = try await round("ready", subscribers, audience) {
            for _ in 0..<subscribers { channels.append(try await subscriber(audience)) }
        }
        var latencies: [Int] = []
        var cpuSeconds = 0.0
        let facts = ProcessFacts(id: agent.processIdentifier)
        for _ in 0..<rounds {
            // Everybody has heard that it is gone before it comes again, so that only its coming is measured.
            _ = try await round("paused", subscribers, audience) {
                try await control.writeAndFlush(ByteBuffer(string: #"{"method":"org.avatard.Agent.Pause"}"# + "\0"))
                try FileManager.default.removeItem(atPath: cache + "/" + Self.picture)
            }
            let before = facts.cpuSeconds()
            let told = try await round("ready", subscribers, audience) {
                try await control.writeAndFlush(ByteBuffer(string: #"{"method":"org.avatard.Agent.Resume"}"# + "\0"))
            }
            let renamed = renames.last
            latencies += told.map { $0 - renamed }
            cpuSeconds += facts.cpuSeconds() - before
        }
        for channel in channels { try? await channel.close() }
        return (latencies, cpuSeconds / Double(rounds))
    }

    /// When each of `count` subscribers read of that state.
    private func round(
        _ state: String, _ count: Int, _ audience: NIOLoopBound<Audience>, _ body: () async throws -> Void
    ) async throws -> [Int] {
        let done = audience.eventLoop.makePromise(of: [Int].self)
        audience.eventLoop.execute { audience.value.begin(state, count, done) }
        try await body()
        return try await done.futureResult.get()
    }

    private func subscriber(_ audience: NIOLoopBound<Audience>) async throws -> any Channel {
        let register =
            #"{"method":"org.avatard.Agent.Register","parameters":{"labels":[{"label":"peer","name":"p.png"}],"#
            + #""keep":true},"more":true}"# + "\0"
        let channel = try await Crowd.connect(path: socket, on: audience.eventLoop) { ReadingClient(audience.value) }
        try await channel.writeAndFlush(ByteBuffer(string: register))
        return channel
    }

    @discardableResult
    private static func launch(_ process: Process, _ program: String, _ arguments: [String]) throws -> Process {
        let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.executableURL = own.deletingLastPathComponent().appendingPathComponent(program)
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        guard FileManager.default.isExecutableFile(atPath: process.executableURL?.path ?? "") else {
            throw Unusable(description: "\(program) is not built beside this program: make bench builds it")
        }
        try process.run()
        return process
    }

    private static func wait<T>(_ what: String, _ look: () -> T?) throws -> T {
        for _ in 0..<1000 {
            if let found = look() { return found }
            usleep(10_000)
        }
        throw Unusable(description: "waited 10 s for \(what)")
    }
}

/// When a file was last renamed into a folder, as inotify tells.
private final class RenameClock: Sendable {
    private let descriptor: Int32
    private let at = Mutex(0)

    init(folder: String) throws {
        let descriptor = inotify_init1(Int32(IN_CLOEXEC))
        guard descriptor >= 0, inotify_add_watch(descriptor, folder, UInt32(IN_MOVED_TO)) >= 0 else {
            throw PosixError.last("inotify_add_watch", path: folder)
        }
        self.descriptor = descriptor
        Thread.detachNewThread { [self] in
            var buffer = [UInt8](repeating: 0, count: 4096)
            while read(descriptor, &buffer, buffer.count) > 0 {
                let now = monotonicNanoseconds()
                at.withLock { $0 = now }
            }
        }
    }

    var last: Int { at.withLock { $0 } }

    func stop() { close(descriptor) }
}

/// When each subscriber read of a state. On one event loop.
private final class Audience {
    private var awaited: [UInt8] = []
    private var reads: [Int] = []
    private var expected = 0
    private var done: EventLoopPromise<[Int]>?

    func begin(_ state: String, _ count: Int, _ promise: EventLoopPromise<[Int]>) {
        awaited = Array("\"state\":\"\(state)\"".utf8)
        (reads, expected, done) = ([], count, promise)
        reads.reserveCapacity(count)
    }

    func heard(_ message: ByteBuffer, at now: Int) {
        let isAwaited = message.withUnsafeReadableBytes { bytes in
            bytes.indices.dropLast(awaited.count).contains { start in
                bytes[start] == awaited[0] && bytes[start...].starts(with: awaited)
            }
        }
        guard isAwaited else { return }
        reads.append(now)
        if reads.count == expected { done?.succeed(reads) }
    }
}

/// One subscriber.
private final class ReadingClient: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let audience: Audience

    init(_ audience: Audience) { self.audience = audience }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        audience.heard(unwrapInboundIn(data), at: monotonicNanoseconds())
    }
}
