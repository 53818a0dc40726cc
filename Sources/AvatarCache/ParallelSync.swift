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

    /// Syncs every file of `names` in the open folder `folder` with `sync`. Says for each, in their order, why its bytes may not be on the
    /// disk; nil where they are.
    func sync(_ names: [String], in folder: Int32, _ sync: DiskSync) -> [PosixError?] {
        guard !names.isEmpty else { return [] }
        // A file that cannot be opened here cannot be opened below, where it counts.
        for name in names { if let file = try? OpenFile.open(name, in: folder) { file.startWriteBack() } }
        let group = DispatchGroup()
        let failures = Failures(count: names.count)
        let share = (names.count + queues.count - 1) / queues.count
        for (queue, start) in zip(queues, stride(from: 0, to: names.count, by: share)) {
            let end = min(start + share, names.count)
            queue.async(group: group) {
                for index in start..<end {
                    do throws(PosixError) {
                        try sync.data(try OpenFile.open(names[index], in: folder))
                    } catch {
                        failures.keep(error, index)
                    }
                }
            }
        }
        group.wait()
        return failures.all.withLock { $0 }
    }
}

/// The errors of several threads, each at its file's place.
private final class Failures: Sendable {
    let all: Mutex<[PosixError?]>
    init(count: Int) { all = Mutex(Array(repeating: nil, count: count)) }
    func keep(_ error: PosixError, _ index: Int) { all.withLock { $0[index] = error } }
}
