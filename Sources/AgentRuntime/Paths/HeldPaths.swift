internal import AvatarCore
internal import FolderWatch
internal import PosixFiles
internal import Synchronization

/// What the disk thread needs, beside its own folders, to compare the paths of the configuration with what is held of them.
final class HeldPaths: Sendable {
    private let settings: AgentSettings
    private let watch: @Sendable ([FollowedPath]) throws(WatchError) -> Void
    private struct Bus: ~Copyable {
        /// It outlives none of the others: it is there from the agent's start to its end.
        var server: BusServer?
        /// The folder of its socket, open to tell whether it was removed.
        var folder: Folder?
    }

    private let bus = Mutex(Bus())

    /// `watch` follows these paths from then on, and no others.
    init(settings: AgentSettings, watch: @escaping @Sendable ([FollowedPath]) throws(WatchError) -> Void) {
        self.settings = settings
        self.watch = watch
    }

    /// From here on the bus's socket is compared too.
    func serve(on server: BusServer?) {
        bus.withLock { bus in
            bus.server = server
            bus.folder = Self.folder(of: server)
        }
    }

    private static func folder(of server: BusServer?) -> Folder? {
        guard let place = server?.place else { return nil }
        return try? Folder(path: place.folder)
    }

    private var server: BusServer? { bus.withLock { $0.server } }

    /// Follows every path as it leads now, so that whatever leads one elsewhere from here on is heard of.
    func follow() throws(WatchError) {
        var paths = [
            FollowedPath(folder: settings.uploadDirectory), FollowedPath(folder: settings.cacheDirectory),
            FollowedPath(folder: settings.stateDirectory, names: StateHome.names),
        ]
        if let place = server?.place {
            paths.append(FollowedPath(folder: place.folder, names: [place.name]))
        }
        try watch(paths)
    }

    /// Where the bus's path leads; nil while no bus is served.
    var busStanding: PathStanding? { server?.place?.standing }

    /// Makes the bus's socket anew, where no other agent answers; why that cannot be done, or nil. Where its folder was not removed, only
    /// the last of the folders above it is made: what was moved away may come back.
    func bindingFailure() -> String? {
        guard let server, let place = server.place else { return nil }
        do {
            let isRemoved = bus.withLock { $0.folder?.isRemoved() ?? false }
            try server.listenAnew(
                on: try BusSocket.open(path: place.path, environment: [:], making: isRemoved ? .all : .last))
            bus.withLock { $0.folder = Self.folder(of: server) }
            return nil
        } catch {
            return "\(error)"
        }
    }
}
