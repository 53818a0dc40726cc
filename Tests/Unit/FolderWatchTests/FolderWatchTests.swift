import AvatarCore
import Dispatch
import Foundation
import PosixFiles
import Synchronization
import TestMounts
import Testing

@testable import FolderWatch

/// Collects what a watch delivers, and lets a test wait for an event instead of for time.
final class Heard: Sendable {
    private let events = Mutex<[FolderEvent]>([])
    private let waiting = Mutex<[(test: @Sendable ([FolderEvent]) -> Bool, go: CheckedContinuation<Void, Never>)]>([])

    func deliver(_ batch: [FolderEvent]) {
        let all = events.withLock { known in
            known += batch
            return known
        }
        let ready = waiting.withLock { list in
            let ready = list.filter { $0.test(all) }.map(\.go)
            list.removeAll { $0.test(all) }
            return ready
        }
        for go in ready { go.resume() }
    }

    var all: [FolderEvent] { events.withLock { $0 } }

    func until(_ test: @escaping @Sendable ([FolderEvent]) -> Bool) async {
        await withCheckedContinuation { go in
            waiting.withLock { list in
                if test(events.withLock { $0 }) { go.resume() } else { list.append((test, go)) }
            }
        }
    }

    func kinds(of name: String) -> [FolderEvent.Kind] {
        all.filter { event in
            if case .valid(let valid) = event.file { return valid.string == name }
            return false
        }.map(\.kind)
    }

    func hears(_ kind: FolderEvent.Kind, _ name: String) async {
        await until { events in events.contains { $0.kind == kind && $0.file.map { "\($0)".contains(name) } == true } }
    }
}

/// A folder that goes when the test does.
final class TemporaryFolder {
    let path: String
    init() throws {
        path = NSTemporaryDirectory() + "avatard-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }

    func write(_ name: String, _ bytes: [UInt8] = [1, 2, 3]) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
    }
}

/// libinotifytools' state is global, so one watch at a time: the suite is serialised.
@Suite(.serialized, .timeLimit(.minutes(1))) struct FolderWatchTests {
    let upload = FolderID(1)
    let cache = FolderID(2)

    @Test func aClosedFileIsHeardOfWithItsNameAndTime() async throws {
        let folder = try TemporaryFolder()
        let heard = Heard()
        let watch = try FolderWatch { heard.deliver($0) }
        defer { watch.stop() }
        try watch.attach(upload, path: folder.path)
        let before = SystemClock().now
        try folder.write("crop.png")
        await heard.hears(.closedAfterWriting, "crop.png")
        #expect(heard.kinds(of: "crop.png") == [.created, .modified, .closedAfterWriting])
        #expect(heard.all.allSatisfy { $0.folder == upload && $0.at >= before && $0.at <= SystemClock().now })
    }

    @Test func renamesAndDeletionsAreHeardOf() async throws {
        let folder = try TemporaryFolder()
        let outside = try TemporaryFolder()
        try outside.write("a.png")
        let heard = Heard()
        let watch = try FolderWatch { heard.deliver($0) }
        defer { watch.stop() }
        try watch.attach(upload, path: folder.path)
        try FileManager.default.moveItem(atPath: outside.file("a.png"), toPath: folder.file("a.png"))
        try FileManager.default.moveItem(atPath: folder.file("a.png"), toPath: folder.file("b.png"))
        try FileManager.default.removeItem(atPath: folder.file("b.png"))
        await heard.hears(.deleted, "b.png")
        #expect(heard.kinds(of: "a.png") == [.movedIn, .movedOut])
        #expect(heard.kinds(of: "b.png") == [.renamed(from: .valid(try AvatarName("a.png"))), .deleted])
    }

    @Test func namesThatNoAvatarMayHaveStillArrive() async throws {
        let folder = try TemporaryFolder()
        let heard = Heard()
        let watch = try FolderWatch { heard.deliver($0) }
        defer { watch.stop() }
        try watch.attach(upload, path: folder.path)
        let notUTF8: [CChar] = Array(folder.path.utf8CString.dropLast()) + [47, -1, -2, 97, 0]
        try #require(makeFile(notUTF8))
        try folder.write(".hidden")
        let long = String(repeating: "x", count: 250)
        try folder.write(long)
        await heard.until { events in
            let reasons = events.compactMap { event -> AvatarNameError.Code? in
                if case .invalid(let name) = event.file { name.code } else { nil }
            }
            return reasons.contains(.notUTF8) && reasons.contains(.leadingDot) && reasons.contains(.tooLong(bytes: 250))
        }
    }

    @Test func theAgentsOwnUnfinishedFilesAreNotToldOf() async throws {
        let folder = try TemporaryFolder()
        let heard = Heard()
        let watch = try FolderWatch { heard.deliver($0) }
        defer { watch.stop() }
        try watch.attach(upload, path: folder.path)
        try folder.write(WorkFile.prefix + "import-1")
        try FileManager.default.moveItem(
            atPath: folder.file(WorkFile.prefix + "import-1"), toPath: folder.file("done.png"))
        await heard.hears(.movedIn, "done.png")
        #expect(heard.all.count == 1)
    }

    @Test func aFlushReturnsAfterEverythingBeforeItWasHandedOver() throws {
        let folder = try TemporaryFolder()
        let outside = try TemporaryFolder()
        let heard = Heard()
        let watch = try FolderWatch { heard.deliver($0) }
        defer { watch.stop() }
        try watch.attach(upload, path: folder.path)
        for round in 0..<50 {
            // A rename: a close may be held back by a process that another test starts, and that has not run its program yet.
            try outside.write("n\(round).png")
            #expect(rename(outside.file("n\(round).png"), folder.file("n\(round).png")) == 0)
            try watch.flush()
            #expect(heard.kinds(of: "n\(round).png") == [.movedIn])
        }
    }

    @Test func twoFoldersAreToldApart() async throws {
        let first = try TemporaryFolder()
        let second = try TemporaryFolder()
        let heard = Heard()
        let watch = try FolderWatch { heard.deliver($0) }
        defer { watch.stop() }
        try watch.attach(upload, path: first.path)
        try watch.attach(cache, path: second.path, modifications: false)
        try second.write("theirs.png")
        try first.write("mine.png")
        await heard.hears(.closedAfterWriting, "mine.png")
        #expect(Set(heard.all.map(\.folder)) == [upload, cache])
        #expect(heard.kinds(of: "theirs.png") == [.created, .closedAfterWriting])
    }

    @Test func aSecondWatchInTheProcessIsRefusedUntilTheFirstStops() throws {
        let first = try FolderWatch { _ in }
        #expect(throws: WatchError(.alreadyRunning)) { try FolderWatch { _ in } }
        first.stop()
        let second = try FolderWatch { _ in }
        second.stop()
        #expect(throws: WatchError(.stopped)) { try second.attach(upload, path: "/tmp") }
    }

    @Test func stoppingIsQuickEvenWhenNothingHappens() throws {
        let folder = try TemporaryFolder()
        let watch = try FolderWatch { _ in }
        try watch.attach(upload, path: folder.path)
        let clock = ContinuousClock()
        let spent = clock.measure { watch.stop() }
        #expect(spent < .milliseconds(500))
    }

    @Test func aMissingFolderAndAFileAreRefusedByName() throws {
        let folder = try TemporaryFolder()
        try folder.write("file")
        let watch = try FolderWatch { _ in }
        defer { watch.stop() }
        #expect(throws: WatchError(.folderMissing, path: folder.file("none"), errno: ENOENT)) {
            try watch.attach(upload, path: folder.file("none"))
        }
        #expect(throws: WatchError(.notAFolder, path: folder.file("file"), errno: ENOTDIR)) {
            try watch.attach(upload, path: folder.file("file"))
        }
    }

    @Test(arguments: [FolderLoss.deleted, .moved])
    func aFolderThatGoesAwayIsSaidAndTakenUpAgain(_ how: FolderLoss) async throws {
        let outer = try TemporaryFolder()
        let other = try TemporaryFolder()
        let path = outer.file("crops")
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        let heard = Heard()
        let watch = try FolderWatch { heard.deliver($0) }
        defer { watch.stop() }
        try watch.attach(upload, path: path)
        try watch.attach(cache, path: other.path)
        switch how {
        case .moved: try FileManager.default.moveItem(atPath: path, toPath: outer.file("elsewhere"))
        default: try FileManager.default.removeItem(atPath: path)
        }
        await heard.until { [upload] in $0.contains { $0.kind == .folderGone(how) && $0.folder == upload } }
        #expect(throws: WatchError(.folderMissing, path: path, errno: ENOENT)) { try watch.attach(upload, path: path) }

        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        try watch.attach(upload, path: path)
        try Data([1]).write(to: URL(fileURLWithPath: path + "/again.png"))
        try other.write("still.png")
        await heard.hears(.closedAfterWriting, "again.png")
        await heard.hears(.closedAfterWriting, "still.png")
        if how == .deleted {
            #expect(heard.all.contains { $0.kind == .overflow && $0.folder == cache })
        }
    }

    @Test func limitsNameTheSysctlLine() {
        #expect(WatchError(.watchLimit).remedy == "sudo sysctl fs.inotify.max_user_watches=524288")
        #expect("\(WatchError(.instanceLimit))".contains("sudo sysctl fs.inotify.max_user_instances=512"))
        let raised = WatchError(.watchLimit, limit: 1_000_000)
        #expect(raised.remedy == "sudo sysctl fs.inotify.max_user_watches=2097152")
    }
}

/// Makes an empty file whose path is given as bytes.
private func makeFile(_ path: [CChar]) -> Bool {
    let file = open(path, O_CREAT | O_WRONLY, 0o600)
    guard file >= 0 else { return false }
    return close(file) == 0
}

/// What the kernel takes away: events, folders, limits.
extension FolderWatchTests {
    /// 16,384 events is the kernel's default bound (`fs.inotify.max_queued_events`); a delivery that does not return makes the queue
    /// run over, like a process that is stopped.
    @Test func anOverflowIsSaidOfEveryFolderAndTheWatchGoesOn() async throws {
        let folder = try TemporaryFolder()
        let other = try TemporaryFolder()
        let heard = Heard()
        let entered = DispatchSemaphore(value: 0)
        let release = DispatchSemaphore(value: 0)
        let isFirst = Mutex(true)
        let watch = try FolderWatch { events in
            let first = isFirst.withLock { first in
                defer { first = false }
                return first
            }
            if first {
                entered.signal()
                release.wait()
            }
            heard.deliver(events)
        }
        defer { watch.stop() }
        try watch.attach(upload, path: folder.path)
        try watch.attach(cache, path: other.path)
        try folder.write("first")
        wait(for: entered)
        let bound = try #require(
            Int(
                String(contentsOfFile: "/proc/sys/fs/inotify/max_queued_events", encoding: .utf8)
                    .trimmingCharacters(in: .whitespacesAndNewlines)))
        for index in 0...bound / 2 {
            let file = open(folder.file("n\(index)"), O_CREAT | O_WRONLY, 0o600)
            close(file)
        }
        release.signal()
        await heard.until { [upload, cache] events in
            [upload, cache].allSatisfy { folder in events.contains { $0.kind == .overflow && $0.folder == folder } }
        }
        try folder.write("after.png")
        await heard.hears(.closedAfterWriting, "after.png")
    }

    @Test(.enabled(if: TmpfsMount.isPermitted)) func anUnmountIsSaidAndTheFolderTakenUpAgain() async throws {
        let mount = try TmpfsMount(kilobytes: 64)
        let heard = Heard()
        let watch = try FolderWatch { heard.deliver($0) }
        defer { watch.stop() }
        try watch.attach(upload, path: mount.path)
        mount.unmount()
        await heard.until { $0.contains { $0.kind == .folderGone(.unmounted) } }
        let again = try TemporaryFolder()
        try watch.attach(upload, path: again.path)
        try again.write("back.png")
        await heard.hears(.closedAfterWriting, "back.png")
    }

    /// The limits are this user's, and a user namespace has its own: so no other program notices.
    @Test(arguments: [
        ("max_inotify_instances", WatchError.Code.instanceLimit, "max_user_instances"),
        ("max_inotify_watches", .watchLimit, "max_user_watches"),
    ])
    func aLimitIsNamedWithItsSysctlLine(limit: String, code: WatchError.Code, sysctl: String) throws {
        let now = try String(contentsOfFile: "/proc/sys/fs/inotify/\(sysctl)", encoding: .utf8)
        let error = WatchError(code, limit: Int(now.trimmingCharacters(in: .whitespacesAndNewlines)))
        let said = "\(code.rawValue) \(try #require(error.remedy))"
        let folder = try TemporaryFolder()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/unshare")
        let helper = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent("folder-helper").path
        process.arguments = [
            "--user", "--map-root-user", "sh", "-c",
            "echo 0 > /proc/sys/user/\(limit) || exit 77; exec \"$0\" watch \"$1\"",
            helper, folder.path,
        ]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            print("the test of \(limit) is skipped: this system gives no user namespace")
            return
        }
        #expect(String(decoding: bytes, as: UTF8.self) == said + "\n")
    }
}

extension FolderWatchTests {
    /// Promise 7: no timer, no polling. What a process does not do can only be seen by letting time pass.
    @Test func anIdleWatchNeverWakesUp() async throws {
        let folder = try TemporaryFolder()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent("folder-helper")
        process.arguments = ["idle", folder.path]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        defer { process.waitUntilExit() }
        defer { try? input.fileHandleForWriting.close() }
        _ = try output.fileHandleForReading.read(upToCount: 5)
        // The main thread may still be on its way into its wait.
        try await Task.sleep(for: .milliseconds(300))
        let before = try wakeUps(of: process.processIdentifier)
        try await Task.sleep(for: .milliseconds(1500))
        #expect(try wakeUps(of: process.processIdentifier) == before)
    }

    /// Voluntary context switches of all threads (proc(5), `status`).
    private func wakeUps(of process: Int32) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task").reduce(0) { sum, thread in
            let status = try String(contentsOfFile: "/proc/\(process)/task/\(thread)/status", encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches") } ?? ""
            return sum + (Int(line.split(separator: "\t").last ?? "") ?? 0)
        }
    }
}

/// Waits for another thread's word where a test is not allowed to block by name.
private func wait(for semaphore: DispatchSemaphore) { semaphore.wait() }
