import BusTestSupport
import Testing

extension RealPrograms {
    /// What the server says of its HTTP front.
    @Suite("The server's log")
    struct ServerLog {
        @Test("it says once where HTTP is served, in the server's own words")
        func listening() async throws {
            try await WebStage.run { stage in
                let log = try stage.server.program.log
                try await log.line(with: "listening for HTTP", "address=127.0.0.1", "port=\(stage.frontPort)")
                _ = try await stage.server.program.terminate()
                #expect(log.lines(with: "isten").count == 2, "the other line is of the classic dialect: \(log.lines)")
                #expect(log.lines(with: "info").count == 3, "and the third of the end: \(log.lines)")
            }
        }
    }
}
