import BusTestSupport
import Foundation
import NIOCore
import NIOPosix
import ProgramSupport
import Testing

/// Real errors of the libraries, as a person reads them.
@Suite struct ErrorWordsTests {
    private func connect(_ host: String, _ port: Int, limit: TimeAmount = .seconds(10)) async throws {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connectTimeout(limit)
            .connect(host: host, port: port).get()
        try await channel.close()
    }

    /// What `body` throws, in words.
    private func words(_ body: () async throws -> Void) async -> String {
        do {
            try await body()
            return "no error"
        } catch {
            return ErrorWords.text(error)
        }
    }

    @Test func aRefusedPort() async {
        #expect(await words { try await connect("127.0.0.1", 1) } == "Connection refused")
        #expect(await words { try await connect("localhost", 1) } == "Connection refused")
    }

    @Test func aHostThatThereIsNot() async {
        let text = await words { try await connect("nobody.invalid", 1) }
        // Without a name server nobody can know that there is none.
        let unknown = [
            "no such host: nobody.invalid", "the host nobody.invalid cannot be looked up now: no name server answers",
        ]
        #expect(unknown.contains(text), "\(text)")
    }

    @Test func aSocketThatThereIsNot() async {
        let group = MultiThreadedEventLoopGroup.singleton
        let missing = await words {
            _ = try await ClientBootstrap(group: group).connect(unixDomainSocketPath: "/none/s").get()
        }
        #expect(missing == "No such file or directory")
        let long = await words {
            _ = try await ClientBootstrap(group: group)
                .connect(unixDomainSocketPath: "/" + String(repeating: "s", count: 200)).get()
        }
        #expect(long == "the path is too long for a socket")
    }

    @Test func aFileThatCannotBeReadOrWritten() async throws {
        let folder = try TemporaryFolder()
        let missing = folder.file("none")
        #expect(
            await words { _ = try Data(contentsOf: URL(fileURLWithPath: missing)) }
                == "\(missing): No such file or directory")
        let unwritable = await words {
            try Data("x".utf8).write(to: URL(fileURLWithPath: "/proc/none/file"), options: .atomic)
        }
        #expect(unwritable.contains("No such file or directory"), "\(unwritable)")
        #expect(!unwritable.contains("Error"), "\(unwritable)")
    }

    @Test func ownErrorsKeepTheirWords() {
        let own = ConfigurationError(key: "log.level", source: .commandLine("--log-level"), reason: "is loud")
        #expect(ErrorWords.text(own) == "--log-level: log.level: is loud")
    }

    @Test func anErrorThatNobodyForesawNamesItsTypeAlone() {
        struct Unforeseen: Error { let secret = "inside" }
        #expect(ErrorWords.text(Unforeseen()) == "an unexpected fault, Unforeseen: please report it")
    }
}
