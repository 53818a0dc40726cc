internal import AvatarCache
internal import AvatarCore
internal import FolderWatch
internal import Foundation
internal import LabelBus
internal import Logging
internal import NIOCore
internal import PosixFiles
internal import ProgramSupport
internal import Synchronization
internal import TransferMachines

/// The driver with everything around it but the bus: it answers the bus's calls, and outlives them.
final class AgentCore: AgentService {
    /// What is in force now.
    private let settings: Mutex<AgentSettings>
    private let logins: LoginStore
    private let loop: any EventLoop
    private let logger: Logger
    private let driver: NIOLoopBound<AgentDriver>
    private let disk: DiskThread
    private let watch: FolderWatch
    private let inbox: AgentInbox
    private let tokenWatch: FileWatch
    private let environment: ProcessEnvironment
    private let paths: HeldPaths
    private let mounts: MountWatch?

    /// Opens folders and catalog. `end` is called, on the loop, when the agent cannot go on.
    init(
        settings: AgentSettings, logins: LoginStore, environment: ProcessEnvironment, home: sending StateHome,
        loop: any EventLoop, logger: Logger,
        end: @escaping @Sendable (_ reason: String) -> Void
    ) throws {
        self.settings = Mutex(settings)
        self.environment = environment
        self.logins = logins
        self.loop = loop
        self.logger = logger
        let fallback = try DefaultHeadFile.place(in: settings.stateDirectory)
        let inbox = AgentInbox()
        let ignored = settings.uploadIgnore
        self.inbox = inbox
        watch = try FolderWatch { events in
            inbox.feed(events.compactMap { AgentInput($0, ignored: ignored) })
        }
        let watch = watch
        paths = HeldPaths(settings: settings) { (paths) throws(WatchError) in try watch.follow(paths) }
        disk = DiskThread(
            worker: try Self.worker(settings, home, paths, watch, logger) { try logins.restore() }
        ) { results in
            inbox.feed(results.map(AgentInput.disk))
        }
        // Where the kernel shows no table of mounts, what is mounted over a folder is found when the paths are compared for another reason.
        mounts = try? MountWatch { inbox.feed([.pathsMayDiffer]) }
        var random = SystemRandomNumberGenerator()
        let mapping = BusMapping(
            cacheDirectory: settings.cacheDirectory, cropsDirectory: settings.uploadDirectory, fallback: fallback,
            clock: SystemClock())
        let seed = random.next()
        let tokens = TokenSource(settings, environment: environment.variables)
        let (disk, paths) = (disk, paths)
        let proxies = ProxyRule { environment.variables[$0] }
        let attacher = FolderAttacher(settings: settings, disk: disk, watch: watch) { inbox.feed([.folder($0)]) }
        driver = try loop.submit {
            NIOLoopBound(
                AgentDriver(
                    seed: seed, isShared: settings.isShared, uploadBytesMax: settings.uploadBytesMax,
                    places: settings.places, recheckAfter: settings.recheckAfter, mapping: mapping, disk: disk,
                    loop: loop,
                    logger: logger, tokens: tokens, proxies: proxies, attach: attacher.attach,
                    bindBus: { disk.submit([.ask { _ in inbox.feed([.busBound(failure: paths.bindingFailure())]) }]) },
                    end: end), eventLoop: loop)
        }.wait()
        let driver = driver
        inbox.connect { inputs in
            loop.execute { driver.value.feed(inputs) }
        }
        tokenWatch = FileWatch(tokens?.places ?? [], on: loop, settleTime: Limits.Token.settleTime) {
            driver.value.readToken(isAsked: false)
        }
    }

    private static func worker(
        _ settings: AgentSettings, _ home: sending StateHome, _ paths: HeldPaths, _ watch: FolderWatch,
        _ logger: Logger,
        restoreLogin: @escaping @Sendable () throws -> Void
    ) throws -> sending DiskWorker {
        var random = SystemRandomNumberGenerator()
        let bootID = try BootID.current()
        let catalog = try Catalog(
            stateDirectory: settings.stateDirectory, sync: settings.sync, bootID: bootID,
            newEpoch: String(UInt64.random(in: .min ... .max, using: &random), radix: 16))
        if let moved = catalog.opening.damagedMovedTo {
            logger.warning("the catalog was damaged and is made anew", metadata: ["kept": "\(moved)"])
        }
        let cache = try CacheFolder(
            path: settings.cacheDirectory, catalog: catalog, bootID: bootID, types: settings.pictureTypes)
        let crops = try UploadFolder(
            path: settings.uploadDirectory, bytesMax: settings.uploadBytesMax, ignored: settings.uploadIgnore,
            types: settings.pictureTypes)
        guard settings.isShared || !cache.isSameFolder(as: crops) else {
            throw Agent.StartFault(
                description: "\(settings.uploadDirectory) and \(settings.cacheDirectory) lead to the same folder: "
                    + "give upload.directory the very path of cache.directory to share it, or another folder")
        }
        return DiskWorker(
            cache: cache, crops: crops, catalog: catalog, home: home, paths: paths,
            cacheBytesMax: settings.cacheBytesMax, uploadBytesMax: settings.uploadBytesMax,
            flushWatch: settings.isShared ? { () throws(WatchError) in try watch.flush() } : nil,
            awaitClose: { (name) throws(WatchError) in try watch.awaitClose(WatchedFolder.crops.id, name.string) },
            restoreLogin: restoreLogin, logger: logger)
    }

    /// Logs in, if anybody is to be; watches the folders, brings an earlier run to its end, and looks through both folders. Returns once
    /// calls can be taken: the look may take longer.
    ///
    /// `fault` says why nobody is logged in, where somebody should be.
    func begin(_ account: Account?, fault: String?) async throws {
        let settings = settings.withLock { $0 }
        if let fault { inbox.feed([.loginUnusable(reason: fault)]) }
        let driver = driver
        if let account {
            try await loop.submit { driver.value.logIn(account) }.get()
        } else if fault == nil {
            try await loop.submit { driver.value.followTokenFile() }.get()
        }
        for folder in [WatchedFolder.crops, .cache] {
            let path = folder == .crops ? settings.uploadDirectory : settings.cacheDirectory
            do {
                try watch.attach(folder.id, path: path, modifications: settings.isShared)
            } catch {
                inbox.feed([.folder(.lost(folder, reason: "\(error)", remedy: error.remedy))])
            }
        }
        disk.submit([DiskCommand.start])
    }

    /// From here on the bus's socket is looked after too; and what has changed since the folders were opened is found.
    func serve(on bus: BusServer) {
        paths.serve(on: bus)
        inbox.feed([.pathsMayDiffer])
    }

    /// Feeds the service manager's watchdog from now on, if it has one.
    func watchdog(of manager: ServiceManager) -> Watchdog? { Watchdog(manager, disk: disk, on: loop) }

    func networkChanged() { inbox.feed([.networkChanged]) }

    /// Closes the connection, records everything, and ends the threads.
    func stop() async throws {
        await tokenWatch.stop()
        paths.serve(on: nil)
        let driver = driver
        try await loop.flatSubmit { driver.value.stop() }.get()
        mounts?.stop()
        watch.stop()
        try await disk.stop()
    }

    // MARK: Configuration that was read again

    /// Takes over what takes effect at once, and tells of everything that is another value now.
    ///
    /// - Parameter account: who would be logged in after a start with the new settings; called on the disk thread, in order with logins over
    ///   the bus. Where it throws, nothing is taken over.
    func reload(_ new: AgentSettings, account: @escaping @Sendable (AgentSettings) throws -> Account?) async throws
        -> [ConfigurationChange<AgentKey>]
    {
        let driver = driver
        let before = settings.withLock { $0 }
        let changes = before.changes(to: new)
        let taken = before.taking(new)
        let busLoginCount = try await loop.submit { driver.value.busLoginCount }.get()
        let configured = try await onDisk { _ in try account(taken) }
        try await onDisk {
            try $0.setBounds(cacheBytesMax: taken.cacheBytesMax, uploadBytesMax: taken.uploadBytesMax)
        }
        settings.withLock { $0 = taken }
        let facts = ConfigurationFacts(
            waiting: changes.filter { !$0.key.isReloadable }.map(\.key.rawValue),
            mayTakeLargerCrops: taken.uploadBytesMax > before.uploadBytesMax)
        let keysChanged = changes.contains { $0.key.isOfAccount }
        let tokens = TokenSource(taken, environment: environment.variables)
        if keysChanged { tokenWatch.watch(tokens?.places ?? []) }
        try await loop.submit {
            let driver = driver.value
            driver.uploadBytesMax = taken.uploadBytesMax
            driver.feed(.configurationRead(facts))
            if keysChanged { driver.takeTokens(from: tokens) }
            // Whoever has logged in or out meanwhile knows better.
            guard driver.busLoginCount == busLoginCount else { return }
            switch LoginStep.after(current: driver.account, configured: configured, keysChanged: keysChanged) {
            case .stays: break
            case .logsIn(let account): driver.logIn(account)
            case .logsOut: driver.logOut()
            }
            if keysChanged, configured == nil { driver.followTokenFile() }
            // The file may hold another token since it was read above.
            driver.readToken(isAsked: false)
        }.get()
        return changes
    }

    /// The configuration cannot be taken over, for this reason.
    func configurationFailed(_ reason: String) { inbox.feed([.configurationRead(ConfigurationFacts(fault: reason))]) }

    /// Runs `body` on the disk thread, after everything that was asked of it before.
    private func onDisk<Value: Sendable>(
        _ body: @escaping @Sendable (DiskWorker) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            disk.submit([.ask { worker in continuation.resume(with: Result { try body(worker) }) }])
        }
    }

    // MARK: The bus

    func handle(_ call: AgentCall, more: Bool, oneway: Bool, reply: ReplyStream) {
        switch call {
        case .login(let parameters): login(parameters, reply)
        case .logout: logout(reply)
        case .status: status(reply)
        default:
            let driver = driver
            onLoop { driver.value.call(call, more: more, reply: reply) }
        }
    }

    func hungUp(_ stream: ReplyStream.ID) {
        let driver = driver
        onLoop { driver.value.hungUp(stream) }
    }

    /// The bus runs on the driver's own loop: what comes from there needs no detour.
    private func onLoop(_ body: @escaping @Sendable () -> Void) {
        if loop.inEventLoop { body() } else { loop.execute(body) }
    }

    private func status(_ reply: ReplyStream) {
        let driver = driver
        onLoop { reply.send(.status(driver.value.status(version: Version.current)), continues: false) }
    }

    private func login(_ parameters: LoginParameters, _ reply: ReplyStream) {
        let settings = settings.withLock { $0 }
        guard !settings.isServerPinned else {
            return reply.fail(
                .loginFixed(
                    reason: "the agent was started with a server or user on its command line or in its environment, "
                        + "which beat a login: start it without them"))
        }
        guard let uid = UserID(Int64(parameters.uid)) else { return reply.fail(.invalidParameter(parameter: "uid")) }
        guard let server = Self.address(parameters.server, settings.manners) else {
            return reply.fail(.invalidParameter(parameter: "server"))
        }
        guard !parameters.token.isEmpty, parameters.token.utf8.count <= Limits.Token.bytesMax else {
            return reply.fail(.invalidParameter(parameter: "token"))
        }
        let account = Account(server: server, uid: uid, token: parameters.token)
        let (logins, driver) = (logins, driver)
        change(
            reply, doing: "logged in until the agent stops, but the login cannot be kept",
            inMemory: { driver.value.logIn(account) }, onDisk: { try logins.save(account) })
    }

    /// The server that a login over the bus names: by a base URL, or by a host and a port.
    private static func address(_ server: Server, _ manners: ServerManners) -> ServerAddress? {
        if let text = server.url {
            guard let url = try? ServerURL(text), server.host.isEmpty || server.host == url.host else { return nil }
            return ServerAddress(url: url, manners: manners)
        }
        // The host's text may name the port as well, if it names the same.
        guard (1...65_535).contains(server.port), let address = try? HostPort(server.host),
            address.port ?? server.port == server.port
        else { return nil }
        return ServerAddress(host: address.host, port: server.port, manners: manners)
    }

    private func logout(_ reply: ReplyStream) {
        let (logins, driver) = (logins, driver)
        change(
            reply, doing: "logged out, but the kept login cannot be removed",
            inMemory: { driver.value.logOut() }, onDisk: { try logins.remove() })
    }

    /// Changes who is logged in. Memory changes at once, on the loop, and the disk in the same order: two calls at the same time leave the
    /// same login in both. The reply waits for the disk, and says so when the disk fails or does not answer.
    private func change(
        _ reply: ReplyStream, doing: String, inMemory: @escaping @Sendable () -> Void,
        onDisk: @escaping @Sendable () throws -> Void
    ) {
        let (loop, disk, logger) = (loop, disk, logger)
        onLoop {
            inMemory()
            let answer = loop.makePromise(of: Void.self)
            let timeout = loop.scheduleTask(in: .nanoseconds(Limits.Storage.loginTimeout.wholeNanoseconds)) {
                answer.fail(DiskSilence())
            }
            disk.submit([.ask { _ in answer.completeWith(Result(catching: onDisk)) }])
            answer.futureResult.whenComplete { result in
                timeout.cancel()
                switch result {
                case .success: reply.send(.done, continues: false)
                case .failure(let error):
                    logger.error("the login on the disk is not what it should be", metadata: ["detail": "\(error)"])
                    reply.fail(.storageFailed(reason: "\(doing): \(error)"))
                }
            }
        }
    }
}

/// The disk thread did not get to the job in time; it may still.
private struct DiskSilence: Error, CustomStringConvertible {
    var description: String { "the disk has not answered for \(Limits.Storage.loginTimeout)" }
}
