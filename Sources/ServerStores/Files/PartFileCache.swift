internal import AvatarCore
internal import PosixFiles
internal import Synchronization
internal import TransferMachines

/// A part, open for reading and writing.
final class Part: Sendable {
    let file: OpenFile
    /// What it was when it was opened: another file may take its name.
    let inode: UInt64

    init(_ file: consuming OpenFile) throws(PosixError) {
        inode = try file.facts().inode
        self.file = file
    }
}

/// The parts that were written to last stay open, so that a chunk need not open its file. Calls for one part come one after the
/// other: its lock belongs to the open file, and does not keep two threads of this process apart.
final class PartFileCache: Sendable {
    private struct State: Sendable {
        var parts: [UploadID: (part: Part, usedAt: UInt64)] = [:]
        var uses: UInt64 = 0
    }

    private let state = Mutex(State())

    func part(_ id: UploadID) -> Part? {
        state.withLock { state in
            guard let part = state.parts[id]?.part else { return nil }
            state.uses += 1
            state.parts[id] = (part, state.uses)
            return part
        }
    }

    func keep(_ part: Part, _ id: UploadID) {
        state.withLock { state in
            state.uses += 1
            state.parts[id] = (part, state.uses)
            // A quarter goes at a time, so that the search for the oldest is rare.
            guard state.parts.count > Limits.Server.partFilesOpenMax else { return }
            let uses = state.parts.values.map { $0.usedAt }.sorted()
            let oldest = uses[uses.count / 4]
            state.parts = state.parts.filter { $0.value.usedAt > oldest }
        }
    }

    func forget(_ id: UploadID) { state.withLock { state in state.parts[id] = nil } }
}
