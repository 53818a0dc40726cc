import AvatarCore
import Foundation
import PosixFiles
import Testing
import WireProtocol

/// The real program, ended in the ways a program ends.
@Suite struct KillTests {
    /// kill -9 after every acknowledgement: the next start goes on with the very next chunk, and the bytes come out whole.
    @Test func anAcknowledgedChunkSurvivesSIGKILL() async throws {
        try await withFolder { folder async throws in
            let token = try addUser(7, folder)
            let bytes = (0..<9000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 / 256) }
            let all = try cut(bytes, name: "a.png", uid: 7, token: token)
            for chunk in all {
                let server = try ServerProcess(folder: folder)
                defer { server.kill() }
                #expect(try BlockingClient(port: server.port).upload(chunk) == 0)
            }
            let server = try ServerProcess(folder: folder)
            defer { server.kill() }
            let client = try BlockingClient(port: server.port)
            var down: [UInt8] = []
            for seq in 1...Int64(all.count) {
                down += try client.download("a.png", uid: 7, token: token, seq: seq).data ?? []
            }
            #expect(down == bytes)
            let listed = try ServerProcess.run(["user", "list"] + ServerProcess.storage(folder))
            #expect(listed.output == "7\t\ta.png\ttoken\t\(bytes.count)\t1\t\(bytes.count)\n")
        }
    }

    @Test func aChunkSentAgainAfterACrashIsAcknowledgedAgain() async throws {
        try await withFolder { folder async throws in
            let token = try addUser(7, folder)
            let all = try cut([UInt8](repeating: 9, count: 5000), name: "a.png", uid: 7, token: token)
            for pair in [[0, 1], [1, 0], [1, 2], [2]] {
                let server = try ServerProcess(folder: folder)
                defer { server.kill() }
                let client = try BlockingClient(port: server.port)
                for index in pair { #expect(try client.upload(all[index]) == 0) }
            }
        }
    }

    @Test func sigtermEndsItInUnderTwoSecondsWithCodeZero() async throws {
        try await withFolder { folder async throws in
            let server = try ServerProcess(folder: folder)
            let client = try BlockingClient(port: server.port)
            #expect(try client.ask(.test(TestMessage(data: "x"))) == .test(TestMessage(data: "x", error: 0)))
            let started = ContinuousClock.now
            #expect(server.terminate() == 0)
            #expect(ContinuousClock.now - started < .seconds(2))
        }
    }
}
