internal import AvatarCore
internal import CInotifyTools
internal import Dispatch
internal import Glibc
package import PosixFiles
internal import Synchronization

/// One thread that owns libinotifytools and turns its events into values.
///
/// The thread sleeps in the kernel until something happens: no timer, no polling. To reach it, a watch that was made for the
/// purpose (on `/proc`, for events that never come) is removed, and the kernel's word of that wakes it; so it stops at once.
package final class FolderWatch: Sendable {
    /// What is handed over; called on the watch's own thread, so it must return soon and never call back into the watch.
    package typealias Delivery = @Sendable ([FolderEvent]) -> Void

    private enum Command: Sendable {
        case attach(FolderID, path: String, modifications: Bool, Answer)
        case detach(FolderID, Answer)
        case follow([FollowedPath], Answer)
        case awaitClose(FolderID, name: String, Answer)
        case flush(Answer)
    }

    /// Where a command's result waits for the thread that gave the command.
    private final class Answer: Sendable {
        private let result = Mutex<Result<Void, WatchError>>(.failure(WatchError(.stopped)))
        private let done = DispatchSemaphore(value: 0)

        func give(_ value: Result<Void, WatchError>) {
            result.withLock { $0 = value }
            done.signal()
        }

        func take() throws(WatchError) {
            done.wait()
            try result.withLock { $0 }.get()
        }
    }

    private struct Shared {
        var commands: [Command] = []
        var stopping = false
        var ended = false
        /// The kernel's descriptor and the watch whose removal wakes the thread.
        var wake: (descriptor: Int32, watch: Int32)?
    }

    private static let running = Mutex(false)
    /// No folder's number.
    private static let none = FolderID(-1)
    private let shared = Mutex(Shared())
    private let idle = DispatchSemaphore(value: 0)
    private let thread = DispatchQueue(label: "avatard.folderwatch")
    private let finished = DispatchGroup()

    /// Begins watching; folders are attached one by one. Where inotify's limits are used up nothing is watched, and
    /// ``attach(_:path:modifications:)`` says so until they are lifted.
    ///
    /// - Throws: `alreadyRunning` while another watch lives in this process, or `failed`.
    package init(deliver: @escaping Delivery) throws(WatchError) {
        let free = Self.running.withLock { taken in
            defer { taken = true }
            return !taken
        }
        guard free else { throw WatchError(.alreadyRunning) }
        let started = Answer()
        thread.async(group: finished) { [self] in
            var owner = WatchOwner()
            do throws(WatchError) {
                try renew(&owner, but: Self.none, deliver)
            } catch {
                guard error.code == .instanceLimit || error.code == .watchLimit else {
                    return started.give(.failure(error))
                }
            }
            started.give(.success(()))
            run(owner, deliver)
        }
        do throws(WatchError) {
            try started.take()
        } catch {
            finished.wait()
            Self.running.withLock { $0 = false }
            throw error
        }
    }

    /// Watches the folder at `path` as `folder`, or watches it again after it went away; whoever attaches then looks the folder
    /// through, because nobody knows what happened before. Attaching after a loss begins the library anew: the other folders
    /// are then told of an overflow. Blocks until the watch's thread has done it.
    ///
    /// - Parameter modifications: whether writes to files that stay open are told of too.
    package func attach(_ folder: FolderID, path: String, modifications: Bool = true) throws(WatchError) {
        let answer = Answer()
        try give(.attach(folder, path: path, modifications: modifications, answer))
        try answer.take()
    }

    /// Watches the folder no longer; nothing happens where it was not watched.
    package func detach(_ folder: FolderID) throws(WatchError) {
        let answer = Answer()
        try give(.detach(folder, answer))
        try answer.take()
    }

    /// Follows these paths and no others from here on: `pathChanged` is told when one of them may lead elsewhere. Each is followed as it
    /// leads now, so whoever hears of a change calls this again before looking where the paths lead. Blocks until it is done.
    package func follow(_ paths: [FollowedPath]) throws(WatchError) {
        let answer = Answer()
        try give(.follow(paths, answer))
        try answer.take()
    }

    /// Tells once, as ``FolderEvent/Kind/writerGone``, when a writer of this file closes it, through whichever of its names. A writer that
    /// opened the file under another name, or as a file without one, is not heard through the folder. Nothing is told where the
    /// folder's own watch hears of that close. At most ``Limits/Watch/writersMax`` files are waited for; the one that was waited for
    /// longest makes way. Blocks until the watch's thread has done it.
    package func awaitClose(_ folder: FolderID, _ name: String) throws(WatchError) {
        let answer = Answer()
        try give(.awaitClose(folder, name: name, answer))
        try answer.take()
    }

    /// Returns when every event that happened before the call was handed over.
    package func flush() throws(WatchError) {
        let answer = Answer()
        try give(.flush(answer))
        try answer.take()
    }

    /// Ends the thread, and waits for it: at most for the delivery that it is in. Safe to call more than once.
    package func stop() {
        let first = shared.withLock { state in
            defer { state.stopping = true }
            wake(&state)
            return !state.stopping
        }
        finished.wait()
        if first { Self.running.withLock { $0 = false } }
    }

    private func give(_ command: Command) throws(WatchError) {
        let taken = shared.withLock { state in
            guard !state.stopping, !state.ended else { return false }
            state.commands.append(command)
            wake(&state)
            return true
        }
        guard taken else { throw WatchError(.stopped) }
    }

    private func wake(_ state: inout Shared) {
        // A removal that comes twice is refused by the kernel, and the first one's word is still on its way.
        if let wake = state.wake { _ = inotify_rm_watch(wake.descriptor, wake.watch) }
        idle.signal()
    }

    // MARK: - The owner's thread

    private func run(_ owner: WatchOwner, _ deliver: Delivery) {
        var owner = owner
        while !obey(&owner, deliver) {
            guard owner.isWorking else {
                idle.wait()
                continue
            }
            let (events, woken) = owner.nextBatch(wakeWatch: shared.withLock { $0.wake?.watch })
            if !events.isEmpty { deliver(events) }
            if woken || !owner.isWorking { rearm(&owner, deliver) }
        }
        shared.withLock { $0.wake = nil }
        owner.end()
    }

    /// Carries out what was asked for; true when the thread is to end.
    private func obey(_ owner: inout WatchOwner, _ deliver: Delivery) -> Bool {
        while true {
            let (commands, stopping) = shared.withLock { state in
                defer { state.commands = [] }
                if state.stopping { state.ended = true }
                return (state.commands, state.stopping)
            }
            for command in commands { perform(command, &owner, deliver, stopping) }
            if stopping { return true }
            if commands.isEmpty { return false }
        }
    }

    private func perform(_ command: Command, _ owner: inout WatchOwner, _ deliver: Delivery, _ stopping: Bool) {
        switch command {
        case .attach(let folder, let path, let modifications, let answer):
            if stopping { return answer.give(.failure(WatchError(.stopped))) }
            do throws(WatchError) {
                if owner.needsNewLibrary { try renew(&owner, but: folder, deliver) }
                try owner.attach(folder, path: path, modifications: modifications)
                answer.give(.success(()))
            } catch {
                answer.give(.failure(error))
            }
        case .detach(let folder, let answer):
            owner.detach(folder)
            answer.give(.success(()))
        case .follow(let paths, let answer):
            do throws(WatchError) {
                try owner.follow(paths)
                answer.give(.success(()))
            } catch {
                answer.give(.failure(error))
            }
        case .awaitClose(let folder, let name, let answer):
            do throws(WatchError) {
                try owner.awaitClose(folder, name)
                answer.give(.success(()))
            } catch {
                answer.give(.failure(error))
            }
        case .flush(let answer):
            drain(&owner, deliver)
            answer.give(.success(()))
        }
    }

    /// Hands over what is in the kernel's queue now.
    private func drain(_ owner: inout WatchOwner, _ deliver: Delivery) {
        for _ in 0..<Limits.Watch.flushBatchesMax where owner.isWorking {
            let (events, woken) = owner.nextBatch(wakeWatch: shared.withLock { $0.wake?.watch }, wait: false)
            if !events.isEmpty { deliver(events) }
            if woken || !owner.isWorking { rearm(&owner, deliver) }
            if events.isEmpty && !woken { return }
        }
    }

    /// Begins the library anew, and watches again what it watched; what could not be watched again is told to be gone.
    private func renew(_ owner: inout WatchOwner, but folder: FolderID, _ deliver: Delivery) throws(WatchError) {
        shared.withLock { $0.wake = nil }
        let events = try owner.renew(but: folder)
        do throws(WatchError) {
            try arm(owner.library)
        } catch {
            // Without it the thread could not be woken: better no watch at all.
            let lost = owner.lose()
            if !lost.isEmpty { deliver(lost) }
            throw error
        }
        if !events.isEmpty { deliver(events) }
    }

    private func rearm(_ owner: inout WatchOwner, _ deliver: Delivery) {
        do throws(WatchError) {
            if owner.isWorking {
                try arm(owner.library)
            } else {
                try renew(&owner, but: Self.none, deliver)
            }
        } catch {
            shared.withLock { $0.wake = nil }
            let lost = owner.lose()
            if !lost.isEmpty { deliver(lost) }
        }
    }

    /// Makes the watch whose removal wakes the thread. It goes past the library, which could not forget it again.
    private func arm(_ library: InotifyLibrary?) throws(WatchError) {
        guard let library else { throw WatchError(.stopped) }
        let watch = unsafe inotify_add_watch(library.descriptor, "/proc", UInt32(IN_DELETE_SELF | IN_ONLYDIR))
        guard watch >= 0 else {
            throw InotifyLibrary.error(ofWatch: errno, path: "/proc")
        }
        shared.withLock { $0.wake = (library.descriptor, watch) }
    }
}
