internal import Dispatch
internal import PosixFiles
internal import Synchronization

/// A few threads that wait for the disk together: each `fdatasync` blocks, and those that block at the same time share a
/// journal commit and a flush.
final class ParallelSync {
    private let queues: [DispatchQueue]

    init(threads: Int) {
        queues = (0..<threads).map { DispatchQueue(label: "avatard.sync.\($0)") }
    }

    /// Syncs every file of `names` in the open folder `folder`; throws the first error, once all threads are done.
    func sync(_ names: [String], in folder: Int32) throws(PosixError) {
        for name in names {
            let file = try OpenFile.open(name, in: folder)
            file.startWriteBack()
        }
        let group = DispatchGroup()
        let failure = FirstFailure()
        let share = (names.count + queues.count - 1) / queues.count
        for (queue, start) in zip(queues, stride(from: 0, to: names.count, by: share)) {
            let own = Array(names[start..<min(start + share, names.count)])
            queue.async(group: group) {
                do throws(PosixError) {
                    for name in own { try OpenFile.open(name, in: folder).syncData() }
                } catch {
                    failure.keep(error)
                }
            }
        }
        group.wait()
        if let error = failure.error.withLock({ $0 }) { throw error }
    }
}

/// The first error of several threads.
private final class FirstFailure: Sendable {
    let error = Mutex<PosixError?>(nil)
    func keep(_ new: PosixError) { error.withLock { $0 = $0 ?? new } }
}
