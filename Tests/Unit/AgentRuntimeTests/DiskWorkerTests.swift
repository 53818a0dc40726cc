import AvatarCache
import AvatarCore
import BusTestSupport
import FolderWatch
import Foundation
import Logging
import PosixFiles
import ProgramSupport
import Synchronization
import TestPictures
import Testing
import TransferMachines

@testable import AgentRuntime

/// In which order the disk thread does what came together, and what waits for what.
@Suite struct DiskWorkerTests {
    /// A worker on folders of its own, and what it told.
    private final class Bench {
        let folder: TemporaryFolder
        let worker: DiskWorker
        var results: [DiskResult] = []

        init() throws {
            folder = try TemporaryFolder()
            let places = ["XDG_DATA_HOME": folder.path, "XDG_STATE_HOME": folder.path, "XDG_RUNTIME_DIR": folder.path]
            let settings = try AgentSettings(
                LayeredConfiguration(flags: [:], environment: ProcessEnvironment([:]), file: nil),
                BaseDirectories(ProcessEnvironment(places)))
            let home = try StateHome(settings: settings)
            let catalog = try Catalog(
                stateDirectory: settings.stateDirectory, sync: .full, bootID: "boot-1", newEpoch: "epoch-1")
            worker = DiskWorker(
                cache: try CacheFolder(path: settings.cacheDirectory, catalog: catalog, bootID: "boot-1"),
                crops: try UploadFolder(path: settings.uploadDirectory, bytesMax: settings.uploadBytesMax),
                catalog: catalog, home: home, paths: HeldPaths(settings: settings) { _ throws(WatchError) in },
                cacheBytesMax: nil, uploadBytesMax: settings.uploadBytesMax, flushWatch: nil,
                awaitClose: { _ throws(WatchError) in }, restoreLogin: {}, logger: Logger(label: "disk worker"))
        }

        func run(_ jobs: [DiskThread.Job]) { worker.run(jobs) { results += $0 } }

        /// The thread has nothing else to do.
        func rest() { worker.finishCommits { results += $0 } }

        /// All that is done with a picture of these bytes until it may be committed.
        func fetch(_ name: AvatarName, _ bytes: [UInt8]) -> [DiskThread.Job] {
            [
                .command(.beginPart(name, PartPlan(totalSize: Int64(bytes.count), chunkSize: nil))),
                .command(.append(name, offset: 0, bytes: bytes)),
            ]
        }

        func commit(_ name: AvatarName) -> DiskThread.Job {
            .command(.commit([CommitMachine.Item(name: name, origin: .download(owner: nil))]))
        }

        /// The names of each round of commits that ended, in the order of the rounds.
        var rounds: [[AvatarName]] {
            results.compactMap { result in
                if case .committed(let outcomes) = result { outcomes.map(\.item.name) } else { nil }
            }
        }

        func written(_ name: AvatarName) -> Int64? {
            results.reduce(nil) { last, result in
                if case .wrote(name, let end) = result { end } else { last }
            }
        }
    }

    private let a: AvatarName
    private let b: AvatarName

    init() throws { (a, b) = (try AvatarName("a.png"), try AvatarName("b.png")) }

    @Test func picturesThatAreAllThereWaitForEachOther() throws {
        let bench = try Bench()
        let picture = try TestPictures.tiny(.png)
        bench.run(bench.fetch(a, picture))
        bench.run([bench.commit(a)])
        bench.run(bench.fetch(b, picture))
        #expect(bench.rounds == [])
        bench.run([bench.commit(b)])
        bench.rest()
        #expect(bench.rounds == [[a, b]])
    }

    @Test func whoWaitsForBytesToBeWrittenHearsWhenTheyAre() throws {
        let bench = try Bench()
        let picture = try TestPictures.tiny(.png)
        let part = bench.folder.path + "/avatard/avatars/\(CacheFolder.partsName)/\(a).part"
        let held = Mutex<Int?>(nil)
        bench.run(
            bench.fetch(a, picture) + [
                .afterWriting { held.withLock { $0 = FileManager.default.contents(atPath: part)?.count } }
            ])
        #expect(held.withLock { $0 } == picture.count)
    }

    @Test func whoWaitsForBytesToBeWrittenEndsNoWaitOfPictures() throws {
        let bench = try Bench()
        let picture = try TestPictures.tiny(.png)
        bench.run(bench.fetch(a, picture) + bench.fetch(b, picture))
        bench.run([bench.commit(a), .afterWriting {}, bench.commit(b), .afterWriting {}])
        #expect(bench.rounds == [])
        bench.rest()
        #expect(bench.rounds == [[a, b]])
    }

    @Test func aQuestionIsAnsweredWhenAllBeforeItIsDone() throws {
        let bench = try Bench()
        bench.run(bench.fetch(a, try TestPictures.tiny(.png)))
        let count = Mutex<Int64?>(nil)
        bench.run([bench.commit(a), .ask { worker in count.withLock { $0 = Int64(worker.catalog.totals.files) } }])
        #expect(count.withLock { $0 } == 1)
    }

    @Test func aPictureIsCommittedBeforeAnotherOfItsNameBegins() throws {
        let bench = try Bench()
        bench.run(bench.fetch(a, try TestPictures.tiny(.png)))
        bench.run([bench.commit(a)] + bench.fetch(a, try TestPictures.tiny(.jpeg)))
        #expect(bench.rounds == [[a]])
        bench.run([bench.commit(a)])
        bench.rest()
        #expect(bench.rounds == [[a], [a]])
    }

    @Test func aPartThatBeginsAnewInTheSameBatchHasNoneOfTheBytesBefore() throws {
        let bench = try Bench()
        let (long, short) = (try TestPictures.padded(.png, to: 5000), try TestPictures.tiny(.png))
        bench.run(bench.fetch(a, long) + bench.fetch(a, short))
        #expect(bench.written(a) == Int64(short.count))
        bench.run([bench.commit(a)])
        bench.rest()
        #expect(try bench.worker.catalog.avatars(named: [a])[a]?.identity.size == Int64(short.count))
    }
}
