internal import AvatarCore
internal import PosixFiles
internal import Synchronization
internal import TransferMachines

/// A part, open for reading and writing.
final class PartFile: Sendable {
    let file: OpenFile
    /// The inode when the part was opened, to tell it from another file that has taken its name.
    let inode: UInt64

    init(_ file: consuming OpenFile) throws(PosixError) {
        inode = try file.facts().inode
        self.file = file
    }
}

/// Keeps the parts open that were written to last, so that a chunk need not open its file. The caller makes the calls for one part one
/// after the other: the part's lock belongs to the open file, so it does not exclude two threads of this process.
final class PartFileCache: Sendable {
    private struct State: Sendable {
        var files: [UploadID: (part: PartFile, usedAt: UInt64)] = [:]
        var uses: UInt64 = 0
    }

    private let filesMax: Int
    private let state = Mutex(State())

    init(filesMax: Int) { self.filesMax = filesMax }

    func file(_ id: UploadID) -> PartFile? {
        state.withLock { state in
            guard let part = state.files[id]?.part else { return nil }
            state.uses += 1
            state.files[id] = (part, state.uses)
            return part
        }
    }

    func insert(_ part: PartFile, _ id: UploadID) {
        // The files that go are closed when this returns, after the lock is free: closing may wait for a disk.
        let removed = state.withLock { state -> [PartFile] in
            state.uses += 1
            var removed: [PartFile] = []
            if let other = state.files.updateValue((part, state.uses), forKey: id) { removed.append(other.part) }
            // A quarter goes at a time, so that the search for the oldest is rare.
            guard state.files.count > filesMax else { return removed }
            let uses = state.files.values.map { $0.usedAt }.sorted()
            let oldest = uses[uses.count / 4]
            for (id, entry) in state.files where entry.usedAt <= oldest {
                state.files[id] = nil
                removed.append(entry.part)
            }
            return removed
        }
        withExtendedLifetime(removed) {}
    }

    func remove(_ id: UploadID) {
        let removed = state.withLock { state in state.files.removeValue(forKey: id) }
        withExtendedLifetime(removed) {}
    }
}
