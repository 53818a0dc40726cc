internal import AvatarCore
@preconcurrency internal import Dispatch
internal import Foundation
internal import PosixFiles
internal import Synchronization

/// A small file written into a folder as the agent writes pictures: written, synced, renamed, the folder synced, removed.
///
/// Its name begins with a dot, so that the agent minds it in none of its folders.
enum DiskCookie {
    /// How it went.
    enum Outcome: Equatable, Sendable {
        case took(Duration)
        case failed(PosixError)
        /// The disk had not answered within that time.
        case hangs(Duration)
    }

    /// Writes one into the folder at `path`. What hangs in the kernel is left behind.
    static func write(into path: String, patience: Duration = Limits.Doctor.cookiePatience) -> Outcome {
        let outcome = OutcomeBox()
        let done = DispatchSemaphore(value: 0)
        DispatchQueue.global().async {
            outcome.set(attempt(in: path))
            done.signal()
        }
        _ = done.wait(timeout: .now() + patience.timeInterval)
        return outcome.value ?? .hangs(patience)
    }

    private static func attempt(in path: String) -> Outcome {
        let name = ".avatarctl-doctor-\(UUID().uuidString)"
        let begin = ContinuousClock.now
        do throws(PosixError) {
            let folder = try Folder.open(path: path, making: .nothing)
            do throws(PosixError) {
                let file = try folder.create(name + ".new")
                try file.write([UInt8](repeating: 0x2e, count: Limits.Doctor.cookieBytes).span.bytes, at: 0)
                try file.syncData()
                try folder.rename(name + ".new", to: name, in: folder)
                try folder.sync()
                try folder.remove(name)
            } catch {
                for left in [name + ".new", name] { _ = try? folder.remove(left) }
                throw error
            }
            return .took(ContinuousClock.now - begin)
        } catch {
            return .failed(error)
        }
    }
}

private final class OutcomeBox: Sendable {
    private let state = Mutex<DiskCookie.Outcome?>(nil)

    var value: DiskCookie.Outcome? { state.withLock { $0 } }

    func set(_ outcome: DiskCookie.Outcome) { state.withLock { $0 = outcome } }
}

extension Duration {
    fileprivate var timeInterval: Double { self / .seconds(1) }
}
