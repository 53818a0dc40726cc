internal import AvatarCache
internal import AvatarCore
internal import FolderWatch
internal import Foundation
internal import LabelBus
internal import Logging
internal import NIOCore
internal import PosixFiles
internal import TransferMachines

/// The mind with everything around it but the bus: it answers the bus's calls, and outlives them.
final class AgentCore: AgentService {
    private let settings: AgentSettings
    private let logins: LoginStore
    private let loop: any EventLoop
    private let logger: Logger
    private let mind: NIOLoopBound<Mind>
    private let disk: DiskThread
    private let watch: FolderWatch
    private let relay: Relay

    /// Opens folders and catalog.
    init(settings: AgentSettings, logins: LoginStore, loop: any EventLoop, logger: Logger) throws {
        self.settings = settings
        self.logins = logins
        self.loop = loop
        self.logger = logger
        let fallback = try DefaultHeadFile.place(in: settings.stateDirectory)
        let relay = Relay()
        self.relay = relay
        watch = try FolderWatch { events in
            relay.feed(events.compactMap { FolderChange($0) }.map(AgentInput.folder))
        }
        disk = DiskThread(worker: try Self.worker(settings, watch, logger)) { results in
            relay.feed(results.map(AgentInput.disk))
        }
        var random = SystemRandomNumberGenerator()
        let mapping = BusMapping(
            cacheDirectory: settings.cacheDirectory, cropsDirectory: settings.uploadDirectory, fallback: fallback,
            clock: SystemClock())
        let seed = random.next()
        let durable = settings.sync == .full
        let (disk, watch) = (disk, watch)
        let attacher = FolderAttacher(settings: settings, disk: disk, watch: watch) { relay.feed([.folder($0)]) }
        mind = try loop.submit {
            NIOLoopBound(
                Mind(
                    seed: seed, durable: durable, isShared: settings.isShared, mapping: mapping, disk: disk, loop: loop,
                    logger: logger,
                    attach: attacher.attach), eventLoop: loop)
        }.wait()
        let mind = mind
        relay.connect { inputs in
            loop.execute { for input in inputs { mind.value.feed(input) } }
        }
    }

    private static func worker(
        _ settings: AgentSettings, _ watch: FolderWatch, _ logger: Logger
    ) throws -> DiskWorker {
        var random = SystemRandomNumberGenerator()
        let bootID = try BootID.current()
        let catalog = try Catalog(
            stateDirectory: settings.stateDirectory, sync: settings.sync, bootID: bootID,
            newEpoch: String(UInt64.random(in: .min ... .max, using: &random), radix: 16))
        if let moved = catalog.opening.damagedMovedTo {
            logger.warning("the catalog was damaged and is made anew", metadata: ["kept": "\(moved)"])
        }
        let cache = try CacheFolder(path: settings.cacheDirectory, catalog: catalog, bootID: bootID)
        let crops = try UploadFolder(path: settings.uploadDirectory, bytesMax: settings.uploadBytesMax)
        guard settings.isShared || !cache.isSameFolder(as: crops) else {
            throw Agent.StartFault(
                description: "\(settings.uploadDirectory) and \(settings.cacheDirectory) lead to the same folder: "
                    + "give upload.directory the very path of cache.directory to share it, or another folder")
        }
        return DiskWorker(
            cache: cache, crops: crops, catalog: catalog, cacheBytesMax: settings.cacheBytesMax,
            uploadBytesMax: settings.uploadBytesMax,
            flushWatch: settings.isShared ? { () throws(WatchError) in try watch.flush() } : nil, logger: logger)
    }

    /// Logs in, if anybody is to be; watches the folders, brings an earlier run to its end, and looks through both folders. Returns once
    /// calls can be taken: the look may take longer.
    ///
    /// `fault` says why nobody is logged in, where somebody should be.
    func begin(_ account: Account?, fault: String?) async throws {
        if let fault { relay.feed([.loginUnusable(reason: fault)]) }
        if let account {
            await withCheckedContinuation { continuation in
                logIn(account) { continuation.resume() }
            }
        }
        for folder in [WatchedFolder.crops, .cache] {
            let path = folder == .crops ? settings.uploadDirectory : settings.cacheDirectory
            do {
                try watch.attach(folder.id, path: path, modifications: settings.isShared)
            } catch {
                relay.feed([.folder(.lost(folder, reason: "\(error)", remedy: error.remedy))])
            }
        }
        disk.submit([DiskCommand.start])
    }

    private func logIn(_ account: Account, _ done: @escaping @Sendable () -> Void) {
        let (mind, loop) = (mind, loop)
        disk.submit([
            .ask { worker in
                let tokenEpoch = worker.tokenEpoch(of: account)
                loop.execute {
                    mind.value.logIn(account, tokenEpoch: tokenEpoch)
                    done()
                }
            }
        ])
    }

    func networkChanged() { relay.feed([.networkChanged]) }

    /// Closes the connection, records everything, and ends the threads.
    func stop() async throws {
        let mind = mind
        try await loop.submit { mind.value.stop() }.get()
        watch.stop()
        try await disk.stop()
    }

    // MARK: The bus

    func handle(_ call: AgentCall, more: Bool, oneway: Bool, reply: ReplyStream) {
        switch call {
        case .login(let parameters): login(parameters, reply)
        case .logout: logout(reply)
        case .status: status(reply)
        default:
            let mind = mind
            onLoop { mind.value.call(call, more: more, reply: reply) }
        }
    }

    func hungUp(_ stream: ReplyStream.ID) {
        let mind = mind
        onLoop { mind.value.hungUp(stream) }
    }

    /// The bus runs on the mind's own loop: what comes from there needs no detour.
    private func onLoop(_ body: @escaping @Sendable () -> Void) {
        if loop.inEventLoop { body() } else { loop.execute(body) }
    }

    private func status(_ reply: ReplyStream) {
        let (mind, loop) = (mind, loop)
        disk.submit([
            .ask { worker in
                let totals = (try? worker.catalog.totals()) ?? (files: 0, bytes: 0)
                loop.execute {
                    reply.send(.status(mind.value.status(version: Agent.version, totals: totals)), continues: false)
                }
            }
        ])
    }

    private func login(_ parameters: LoginParameters, _ reply: ReplyStream) {
        guard !settings.isServerPinned else {
            return reply.fail(
                .serverRefused(
                    code: 0,
                    reason: "the agent was started with a server or user on its command line or in its environment, "
                        + "which beat a login: start it without them"))
        }
        guard let uid = UserID(Int64(parameters.uid)) else { return reply.fail(.invalidParameter(parameter: "uid")) }
        guard (1...65_535).contains(parameters.server.port), !parameters.server.host.isEmpty else {
            return reply.fail(.invalidParameter(parameter: "server"))
        }
        guard !parameters.token.isEmpty, parameters.token.utf8.count <= Limits.Token.bytesMax else {
            return reply.fail(.invalidParameter(parameter: "token"))
        }
        let account = Account(
            server: ServerAddress(
                host: parameters.server.host, port: parameters.server.port,
                classicChunkBytes: settings.classicChunkBytes),
            uid: uid, token: parameters.token)
        let (logins, logger) = (logins, logger)
        disk.submit([
            .ask { [self] _ in
                do {
                    try logins.save(account)
                    logIn(account) { reply.send(.done, continues: false) }
                } catch {
                    logger.error("the login cannot be kept", metadata: ["detail": "\(error)"])
                    reply.fail(.serverRefused(code: 0, reason: "the login cannot be kept: \(error)"))
                }
            }
        ])
    }

    private func logout(_ reply: ReplyStream) {
        let (logins, mind, loop, logger) = (logins, mind, loop, logger)
        disk.submit([
            .ask { _ in
                loop.execute { mind.value.logOut() }
                do {
                    try logins.remove()
                    reply.send(.done, continues: false)
                } catch {
                    logger.error("the kept login cannot be removed", metadata: ["detail": "\(error)"])
                    reply.fail(
                        .serverRefused(code: 0, reason: "logged out, but the kept login cannot be removed: \(error)"))
                }
            }
        ])
    }
}
