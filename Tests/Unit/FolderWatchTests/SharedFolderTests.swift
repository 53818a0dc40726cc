import AvatarCache
import AvatarCore
import Foundation
import Synchronization
import TestPictures
import Testing
import TransferMachines

@testable import FolderWatch

extension FolderWatchTests {
    /// One folder for downloads of a chat client and for crops: whatever is closed in it is examined, and judged by the rule.
    @Test func aClientThatAppendsChunkByChunkIsNeverTakenForTheUser() async throws {
        let folder = try TemporaryFolder()
        let state = try TemporaryFolder()
        let judge = try Judge(folder: folder.path, state: state.path)
        let closes = Mutex<[AvatarName]>([])
        let heard = Heard()
        let watch = try FolderWatch { events in
            closes.withLock { list in
                for event in events {
                    if event.kind == .closedAfterWriting, case .valid(let name) = event.file { list.append(name) }
                }
            }
            heard.deliver(events)
        }
        defer { watch.stop() }
        try watch.attach(upload, path: folder.path)

        // Judged while the client is at work, and once more when it is done: no moment may let a picture through.
        let pictures = try (0..<40).map { try TestPictures.padded(.png, to: 2049 + 500 * $0, seed: UInt8($0)) }
        for (index, picture) in pictures.enumerated() {
            try append(picture, folder.file("friend-\(index).png"))
            if index.isMultiple(of: 3) { try judge.judge(takeAll(closes), watch) { takeAll(closes) } }
        }
        try judgeUntil(judge, watch, closes) { $0.refused.count == pictures.count }
        #expect(judge.taken.isEmpty)
        #expect(judge.refused.count == pictures.count)

        try folder.write("own-crop.png", try TestPictures.padded(.png, to: 60_000))
        try judgeUntil(judge, watch, closes) { !$0.taken.isEmpty }
        #expect(judge.taken.map(\.string) == ["own-crop.png"])
    }

    /// A process that another test starts holds every open descriptor until it runs its own program, and the kernel tells of a close
    /// only then.
    private func judgeUntil(
        _ judge: Judge, _ watch: FolderWatch, _ closes: borrowing Mutex<[AvatarName]>, _ done: (Judge) -> Bool
    ) throws {
        let deadline = ContinuousClock.now + .seconds(10)
        repeat {
            try watch.flush()
            try judge.judge(takeAll(closes), watch) { takeAll(closes) }
        } while !done(judge) && ContinuousClock.now < deadline
    }

    /// Opens, appends and closes once per chunk, as the seed's client does.
    private func append(_ bytes: [UInt8], _ path: String) throws {
        for start in stride(from: 0, to: bytes.count, by: 2048) {
            let file = open(path, O_WRONLY | O_CREAT | (start == 0 ? O_TRUNC : O_APPEND), 0o600)
            try #require(file >= 0)
            _ = Array(bytes[start..<min(start + 2048, bytes.count)]).withUnsafeBytes {
                write(file, $0.baseAddress, $0.count)
            }
            close(file)
        }
    }
}

private func takeAll(_ closes: borrowing Mutex<[AvatarName]>) -> [AvatarName] {
    closes.withLock { list in
        defer { list = [] }
        return list
    }
}

/// What an agent does with the closes of a shared folder, as far as the rule needs it.
private final class Judge {
    private let folder: UploadFolder
    private let catalog: Catalog
    private var counts = SharedFolderCloses()
    private var waiting: [AvatarName] = []
    private(set) var taken: [AvatarName] = []
    private(set) var refused: Set<AvatarName> = []

    init(folder: String, state: String) throws {
        self.folder = try UploadFolder(path: folder)
        catalog = try Catalog(stateDirectory: state, sync: .none, bootID: "b", newEpoch: "e")
    }

    func judge(_ closed: [AvatarName], _ watch: FolderWatch, more: () -> [AvatarName]) throws {
        hear(closed)
        while let name = waiting.first {
            waiting.removeFirst()
            switch folder.examine(name) {
            case .settled(let facts):
                try watch.flush()
                hear(more())
                try decide(facts)
            case .rejected(let fault, let file?):
                try catalog.recordRejected(
                    name, identity: file.identity, changed: file.changed, reason: fault.code.rawValue,
                    incomplete: fault.isIncomplete)
            default: break
            }
            counts.begin(name)
        }
    }

    private func hear(_ names: [AvatarName]) {
        for name in names { counts.closed(name) }
        waiting += names
    }

    private func decide(_ facts: CropFacts) throws {
        var candidate = SharedFolderRule.Candidate()
        let known = try catalog.crop(facts.name)
        if known?.identity.inode == facts.identity.inode { candidate.incompleteCloses = known?.incompleteCloses ?? 0 }
        candidate.closesHeard = counts.closes(of: facts.name)
        if let refusal = SharedFolderRule.refusal(of: candidate) {
            refused.insert(facts.name)
            try catalog.recordRejected(
                facts.name, identity: facts.identity, changed: facts.changed, reason: refusal.rawValue,
                incomplete: refusal == .appended)
        } else {
            taken.append(facts.name)
            try catalog.recordCrop(facts, account: nil)
        }
    }
}
