import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import Testing

extension RealPrograms {
    /// Certificates that end soon, have ended, or come from somebody whom nobody here knows: what doctor, status and login say.
    @Suite("Certificates")
    struct CertificateTests {
        /// Gives the server a certificate for localhost that openssl makes, issued by an authority of its own, in `ca.pem`.
        private func certify(_ stage: WebStage, days: Int) async throws {
            let script = """
                set -e
                cd "$1"
                new="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
                openssl req -x509 $new -days 3650 -keyout ca-key.pem -out ca.pem -subj "/O=Tests/CN=Test CA"
                openssl req -new $new -keyout key.pem -out request.pem -subj /CN=localhost
                printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\n' >names
                openssl x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days \(days) -extfile names -out cert.pem
                """
            let made = try await Program.run(
                "/bin/sh", ["-c", script, "sh", stage.folder.path], environment: [:], in: stage.folder)
            try #require(made.status == 0, "\(made.errors)")
            _ = try await stage.server.program.terminate()
            try await stage.startServer()
        }

        private func avatarctl(_ stage: WebStage, _ arguments: String...) async throws -> ProgramResult {
            try await Program.run(
                Program.product("avatarctl"), arguments, environment: stage.agent.environment, in: stage.folder)
        }

        private func login(_ stage: WebStage) -> [String] { WebStage.login(stage.ada, stage.url) }

        private func line(_ words: String, of result: ProgramResult) -> String? {
            result.lines.first { $0.contains(words) }
        }

        @Test(
            "one that is good for long is told with its issuer, the protocol and the days left; one that ends soon is a warning"
        )
        func daysLeft() async throws {
            try await WebStage.run { stage in
                for (days, level, words) in [
                    (90, "ok  ", "(TLS 1.3, issued by Test CA (Tests), 89 days left)"),
                    (5, "warn", "TLS 1.3, issued by Test CA (Tests), valid for 4 days more: until 20"),
                ] {
                    try await certify(stage, days: days)
                    try await stage.agent.start(login(stage) + ["--server-ca-file", stage.folder.file("ca.pem")])
                    let result = try await avatarctl(stage, "doctor")
                    let line = try #require(self.line("the server's certificate", of: result), "\(result)")
                    #expect(line.hasPrefix(level) && line.contains(words), "\(line)")
                    #expect(line.contains("renew") == (level == "warn"), "\(line)")
                    #expect(result.status == (level == "warn" ? 5 : 0), "\(result)")
                    #expect(
                        self.line("the server's version", of: result)?.contains("(\(Version.current))") == true,
                        "\(result)")
                    #expect(self.line("this machine's clock", of: result)?.hasPrefix("ok") == true, "\(result)")
                    _ = try await stage.agent.program.terminate()
                }
            }
        }

        @Test("a server whose key is pinned is told so, whatever its certificate says")
        func pinned() async throws {
            try await WebStage.run { stage in
                try await certify(stage, days: 5)
                let digest = try await Program.run(
                    "/bin/sh",
                    [
                        "-c", "openssl x509 -in \"$1\" -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum",
                        "sh", stage.certificate,
                    ],
                    environment: [:], in: stage.folder)
                try await stage.agent.start(login(stage) + ["--server-pin", String(digest.output.prefix(64))])
                let result = try await avatarctl(stage, "doctor")
                #expect(
                    line("the server's certificate", of: result)?.contains(
                        "(TLS 1.3; its key is the one of server.pin)") == true,
                    "\(result)")
            }
        }

        @Test("one that has expired is told from one whose issuer is unknown, by doctor, status, the log and login")
        func distrusted() async throws {
            try await WebStage.run { stage in
                for (days, trusted, words) in [
                    (-1, true, "its certificate has expired, at 20"), (-1, false, "its certificate has expired, at 20"),
                    (90, false, "its issuer is unknown here, Test CA (Tests)"),
                ] {
                    try await certify(stage, days: days)
                    let program = try await stage.agent.start(
                        login(stage) + (trusted ? ["--server-ca-file", stage.folder.file("ca.pem")] : []))
                    let error = await #expect(throws: AgentError.self) { try await stage.agent.client.verify() }
                    #expect("\(try #require(error))".contains(words), "\(days) \(trusted)")
                    try await program.log.line(with: "not connected", words)
                    let status = try await avatarctl(stage, "status")
                    #expect(line("problem", of: status)?.contains(words) == true, "\(status)")
                    let doctor = try await avatarctl(stage, "doctor")
                    #expect(line("FAIL  the server takes the login", of: doctor)?.contains(words) == true, "\(doctor)")
                    #expect(doctor.status == 1)
                    _ = try await stage.agent.program.terminate()
                }
                try await stage.agent.start([])
                let login = try await avatarctl(
                    stage, "login", "--url", stage.url, "--uid", "1001", "--token-file", stage.ada.tokenFile)
                #expect(login.status == 4)
                #expect(
                    (login.output + login.errors).contains("its issuer is unknown here, Test CA (Tests)"), "\(login)")
            }
        }

        @Test("one that has signed itself is told so")
        func selfSigned() async throws {
            try await WebStage.run { stage in
                try await stage.agent.start(login(stage))
                let error = await #expect(throws: AgentError.self) { try await stage.agent.client.verify() }
                #expect(
                    "\(try #require(error))".contains(
                        "it has signed itself; for a certificate of your own set server.caFile"))
            }
        }
    }
}
