internal import AvatarCore
package import NIOCore
internal import NIOPosix
internal import PosixFiles
internal import Synchronization

/// Hears when a file may be another one: editors and secret stores replace it by a rename, shells write into it, and certbot and Kubernetes
/// lead a symlink on the way to it elsewhere.
package final class FileWatch: Sendable {
    private struct State {
        var channel: (any Channel)?
        var files: [String] = []
        /// How often the folders were opened: what is open of an earlier time is closed.
        var looks = 0
        var isStopped = false
        var isDue = false
    }

    private let loop: any EventLoop
    private let settleTime: Duration
    private let changed: @Sendable () -> Void
    private let state = Mutex(State())

    /// Watches every folder of which an entry decides what lies at the paths of these files; `changed` is called on the loop, `settleTime` after the
    /// first of several changes. A folder that may not be read is not watched.
    package init(
        _ files: [String], on loop: any EventLoop, settleTime: Duration, changed: @escaping @Sendable () -> Void
    ) {
        self.loop = loop
        self.settleTime = settleTime
        self.changed = changed
        watch(files)
    }

    /// Watches for these files in place of those before; none for nothing.
    package func watch(_ files: [String]) {
        state.withLock { $0.files = files }
        look()
    }

    /// Watches the folders that lie on the ways to the files now, in place of those that lay there before.
    package func look() {
        let (files, isStopped) = state.withLock { ($0.files, $0.isStopped) }
        guard !isStopped else { return }
        let folders = files.flatMap { file in
            PathTrail(to: FollowedPath(folder: file)).steps.filter { !$0.names.isEmpty }.map(\.folder)
        }
        guard !folders.isEmpty else { return follow(nil, of: nextLook()) }
        // Where no more can be watched, what is watched already goes on to be.
        guard let file = try? FolderChanges.open(folders) else { return }
        let number = nextLook()
        NIOPipeBootstrap(group: loop)
            .channelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Listener { [self] in heard() })
                }
            }
            .takingOwnershipOfDescriptor(input: file.release())
            .whenSuccess { [self] channel in follow(channel, of: number) }
    }

    /// Hears no more.
    package func stop() async {
        let channel = state.withLock { state in
            state.isStopped = true
            return state.channel
        }
        // It may be closed already, which is what is wanted.
        try? await channel?.close()
    }

    private func nextLook() -> Int {
        state.withLock { state in
            state.looks += 1
            return state.looks
        }
    }

    /// Goes on with what the look of that number has opened, unless a later one or the end has come before.
    private func follow(_ channel: (any Channel)?, of number: Int) {
        let unused = state.withLock { state -> (any Channel)? in
            guard number == state.looks, !state.isStopped else { return channel }
            defer { state.channel = channel }
            return state.channel
        }
        unused?.close(promise: nil)
    }

    /// Several changes come together: the file is made, written, renamed and given its mode.
    private func heard() {
        let isFirst = state.withLock { state in
            defer { state.isDue = true }
            return !state.isDue
        }
        guard isFirst else { return }
        loop.scheduleTask(in: .nanoseconds(settleTime.wholeNanoseconds)) { [self] in
            let isStopped = state.withLock { state in
                state.isDue = false
                return state.isStopped
            }
            guard !isStopped else { return }
            // The folder itself may have been replaced.
            look()
            changed()
        }
    }

    private final class Listener: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let heard: @Sendable () -> Void

        init(heard: @escaping @Sendable () -> Void) { self.heard = heard }

        func channelReadComplete(context: ChannelHandlerContext) { heard() }
    }
}
