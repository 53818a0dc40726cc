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
            #expect(listed.output == "7\t\ta.png\ttoken\n")
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

    private func addUser(_ uid: Int64, _ folder: URL) throws -> String {
        let added = try ServerProcess.run(["user", "add", "--uid", "\(uid)"] + ServerProcess.storage(folder))
        #expect(added.code == 0)
        return String(added.output.dropLast())
    }

    private func cut(_ bytes: [UInt8], name: String, uid: Int64, token: String) throws -> [UploadChunk] {
        let md5 = try MD5Digest(of: bytes.span.bytes).hex
        let count = (bytes.count + 2047) / 2048
        return (1...count).map { seq in
            let end = min(seq * 2048, bytes.count)
            return UploadChunk(
                md5: md5, name: name, seq: Int64(seq), totalSize: Int64(bytes.count), transSize: Int64(end),
                last: seq == count, lastSeq: Int64(count), data: Array(bytes[((seq - 1) * 2048)..<end]), uid: uid,
                token: seq == 1 ? token : nil)
        }
    }
}
