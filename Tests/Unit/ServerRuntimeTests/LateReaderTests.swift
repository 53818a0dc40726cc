import Foundation
import Synchronization
import Testing

/// The seed's Qt client with a list of pictures: it loses its place when two replies reach it in one read (docs/protocol.md, "One reply at
/// a time"). `Python/late_reader.py` is that client, as a process of its own, so that it can be held still.
@Suite struct LateReaderTests {
    private static let names = (1...12).map { "friend \($0).png" }

    @Test(arguments: [("quiet", 20_000), ("still", 20_000), ("quiet", 1_900), ("still", 1_900)])
    func theSeedsClientKeepsItsPlaceWithTwelvePicturesSideBySide(how: String, bytes: Int) async throws {
        try await TestServer.with { server async throws in
            for name in Self.names { try server.place(pattern(bytes), 1019, name) }
            let port = server.port
            let (output, status) = try await Self.run(port: port, rounds: 4, how)
            #expect(status == 0, "\(output)")
            #expect(output.split(separator: "\n").count == 4, "\(output)")
        }
    }

    private static func run(port: Int, rounds: Int, _ how: String) async throws -> (output: String, status: Int32) {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    with: Result {
                        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                            .appendingPathComponent("Python/late_reader.py")
                        let process = Process()
                        process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
                        process.arguments =
                            ["-B", script.path, "\(port)", "1019", "token-1019", "\(rounds)", how] + names
                        let output = try ClosingPipe()
                        process.standardOutput = output.writing
                        try spawning.withLock { _ in try process.run() }
                        try output.writing.close()
                        let said = output.reading.readDataToEndOfFile()
                        process.waitUntilExit()
                        return (String(decoding: said, as: UTF8.self), process.terminationStatus)
                    })
            }
        }
    }
}
