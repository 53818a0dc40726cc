import AvatarCore
import Foundation
import Synchronization
import Testing
import WireProtocol

/// Three real programs on one Redis, one MariaDB and one folder.
@Suite struct InstancesTests {
    /// Each is killed with SIGKILL and started again while clients upload; nothing that was acknowledged is lost, and every
    /// file ends whole.
    @Test func instancesKilledOneAtATimeUnderTrafficLoseNothing() async throws {
        try await TestBackend.with(.cluster) { backend async throws in
            let flags = backend.flags
            let instances = try (0..<3).map { _ in try ServerProcess(folder: backend.folder, flags: flags) }
            let running = Mutex(instances)
            defer { for instance in running.withLock({ $0 }) { instance.kill() } }
            let isOver = Mutex(false)
            let traffic = Traffic(ports: { running.withLock { $0.map(\.port) } }, isOver: { isOver.withLock { $0 } })
            async let done = traffic.run(workers: 6)
            // Also when this ends early, so that the clients do.
            defer { isOver.withLock { $0 = true } }
            for index in 0..<3 {
                // Not by the clock: each goes down once the clients have brought some more files home.
                let before = traffic.filesDone
                while traffic.filesDone < before + 5 {
                    if let failure = traffic.failure { throw failure }
                    await Task.yield()
                }
                running.withLock { $0[index] }.kill()
                let reborn = try ServerProcess(folder: backend.folder, flags: flags)
                running.withLock { $0[index] = reborn }
            }
            isOver.withLock { $0 = true }
            let names = try await done
            #expect(names.count >= 15)
            for (name, bytes) in names {
                let stored = try Data(contentsOf: backend.folder.appendingPathComponent("files/1019/\(name)"))
                #expect(stored == Data(bytes))
            }
        }
    }
}

/// Clients that upload file after file, and go on elsewhere when their instance dies.
private final class Traffic: Sendable {
    private let ports: @Sendable () -> [Int]
    private let isOver: @Sendable () -> Bool
    private let done = Mutex<[String: [UInt8]]>([:])
    private let failed = Mutex<(any Error)?>(nil)

    init(ports: @escaping @Sendable () -> [Int], isOver: @escaping @Sendable () -> Bool) {
        self.ports = ports
        self.isOver = isOver
    }

    /// Why a client gave up, if one did.
    var failure: (any Error)? { failed.withLock { $0 } }

    var filesDone: Int { done.withLock { $0.count } }

    func run(workers: Int) async throws -> [String: [UInt8]] {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<workers {
                group.addTask { [self] in
                    // Blocking sockets: on a thread of their own, not on one that the tests share.
                    try await withCheckedThrowingContinuation { continuation in
                        Thread.detachNewThread { [self] in
                            let result = Result { try work(worker) }
                            if case .failure(let error) = result { failed.withLock { $0 = error } }
                            continuation.resume(with: result)
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        return done.withLock { $0 }
    }

    private func work(_ worker: Int) throws {
        var file = 0
        while !isOver() {
            let name = "\(worker)-\(file).png"
            let bytes = pattern(9000 + worker * 100 + file)
            try upload(try chunks(of: bytes, name: name), from: worker + file)
            done.withLock { $0[name] = bytes }
            file += 1
        }
    }

    /// A chunk whose answer was lost is sent again, to the next instance: an acknowledged one must still be there.
    private func upload(_ all: [UploadChunk], from first: Int) throws {
        var instance = first
        var client: BlockingClient?
        var index = 0
        while index < all.count {
            do {
                let open = try client ?? BlockingClient(port: ports()[instance % 3])
                client = open
                let error = try open.upload(all[index])
                guard error == 0 else { throw Lost(name: all[index].name, seq: all[index].seq, error: error) }
                index += 1
            } catch is BlockingClient.Closed {
                client = nil
                instance += 1
            } catch let lost as Lost where lost.seq == Int64(all.count) && lost.error == 1020 {
                // Killed between the rename and the record: the part is gone because the file is there. Once more.
                index = 0
            }
        }
    }

    private struct Lost: Error {
        let name: String
        let seq: Int64
        let error: Int
    }
}
