import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestMounts
import TestPictures
import Testing

extension RealPrograms {
    /// The agent and its server in HTTP over TLS.
    @Suite("The HTTP way")
    struct HTTPWay {
        private static let sizes = [2047, 64 * 1024, 2 * 1024 * 1024]

        private func pictures() throws -> [(name: String, bytes: [UInt8])] {
            try TestPictures.all()
                + Self.sizes.map { ("size-\($0).png", try TestPictures.padded(.png, to: $0, seed: 7)) }
        }

        @Test("pictures come down byte for byte, held against the server's digest")
        func down() async throws {
            try await WebStage.run { stage in
                let pictures = try pictures()
                for (name, bytes) in pictures { try stage.server.place(bytes, name, for: stage.ada) }
                try await stage.startAgent()
                try await stage.agent.fetch(pictures.map(\.name))
                for (name, bytes) in pictures {
                    #expect(sha256(ofFile: stage.agent.cached(name)) == sha256(bytes), "\(name)")
                    let avatar = try await stage.agent.client.get(name)
                    #expect(avatar.assurance == "digest" && avatar.owner == 1001, "\(name)")
                }
                let status = try await stage.agent.client.status()
                #expect(status.dialect == "https" && status.server?.url == stage.url)
                #expect(stage.wire.connections == 1, "one connection of HTTP/2 carries them all")
            }
        }

        @Test("crops of every size go up, and the last one is the icon")
        func up() async throws {
            try await WebStage.run { stage in
                try await stage.startAgent()
                let pictures =
                    try pictures().filter { $0.name != "size-2047.png" } + [
                        ("last.png", try TestPictures.padded(.png, to: 5000, seed: 9))
                    ]
                for (name, bytes) in pictures { try write(bytes, to: stage.agent.crop(name)) }
                try await stage.agent.change(.icon, of: "last.png")
                for (name, bytes) in pictures {
                    try await stage.agent.change(.ready, of: name)
                    #expect(sha256(ofFile: stage.server.path(stage.ada, name)) == sha256(bytes), "\(name)")
                }
                #expect(try await stage.agent.changes(.uploaded).count == pictures.count)
                #expect(try await stage.server.icons()[1001] == "last.png")
            }
        }

        /// Starts an agent of the classic dialect for ada with a server that is not there, and leaves a crop waiting.
        private func leaveWaiting(_ name: String, _ bytes: [UInt8], _ stage: WebStage) async throws {
            // Nothing listens at this port.
            try await stage.agent.start([
                "--server-host", "localhost", "--server-port", "1", "--identity-uid", "\(stage.ada.uid)",
                "--identity-token-file", stage.ada.tokenFile,
            ])
            try write(bytes, to: stage.agent.crop(name))
            #expect(try await stage.agent.client.check(look: true).total == 0)
            #expect(try await stage.agent.client.get(name).state == .outgoing)
            _ = try await stage.agent.program.terminate()
        }

        @Test("a crop that waited for the server's classic dialect goes up over HTTP")
        func otherWay() async throws {
            try await WebStage.run { stage in
                let bytes = try TestPictures.padded(.png, to: 5000)
                try await leaveWaiting("mine.png", bytes, stage)
                try await stage.startAgent()
                try await stage.agent.change(.icon, of: "mine.png")
                #expect(sha256(ofFile: stage.server.path(stage.ada, "mine.png")) == sha256(bytes))
            }
        }

        @Test("a crop that waits for another user is said")
        func anotherUser() async throws {
            try await WebStage.run { stage in
                try await leaveWaiting("mine.png", try TestPictures.padded(.png, to: 5000), stage)
                try await stage.agent.start(
                    WebStage.login(stage.bob, stage.url) + ["--server-ca-file", stage.certificate])
                let check = try await stage.agent.client.check()
                #expect(
                    check.differences == [
                        Difference(folder: "crops", name: "mine.png", what: "waiting", reason: "localhost:1/1001")
                    ])
                let doctor = try await Program.run(
                    Program.product("avatarctl"), ["doctor"], environment: stage.agent.environment, in: stage.folder)
                #expect(
                    doctor.output.contains("mine.png waits for localhost:1/1001, who is not logged in"),
                    "\(doctor.output)")
            }
        }

        @Test("a picture whose connection breaks again and again goes on where it was")
        func goesOn() async throws {
            try await WebStage.run { stage in
                let bytes = try TestPictures.padded(.png, to: 2 * 1024 * 1024, seed: 3)
                try stage.server.place(bytes, "large.png", for: stage.ada)
                try await stage.startAgent()
                let before = stage.wire.passed(.down)
                stage.wire.cut(every: 400_000, times: 4)
                try await stage.agent.fetch(["large.png"])
                #expect(sha256(ofFile: stage.agent.cached("large.png")) == sha256(bytes))
                #expect(stage.wire.connections > 1)
                // What the disk had is not fetched again; what was on its way is.
                #expect(stage.wire.passed(.down) - before < bytes.count * 7 / 4)
            }
        }

        @Test("an agent that is killed in the middle goes on where it was")
        func killed() async throws {
            try await WebStage.run { stage in
                let bytes = try TestPictures.padded(.png, to: 2 * 1024 * 1024, seed: 3)
                try stage.server.place(bytes, "large.png", for: stage.ada)
                try await stage.startAgent()
                stage.wire.hold(after: 1_000_000)
                let fetching = Task { try await stage.agent.fetch(["large.png"]) }
                // A file tells nobody when it grows.
                try await within(patience, "the part on the disk") {
                    while stage.agent.partBytes < 600_000 { try await Task.sleep(for: .milliseconds(20)) }
                }
                try await stage.agent.program.killNow()
                _ = await fetching.result
                let before = stage.wire.passed(.down)
                try await stage.startAgent()
                try await stage.agent.fetch(["large.png"])
                #expect(sha256(ofFile: stage.agent.cached("large.png")) == sha256(bytes))
                #expect(stage.wire.passed(.down) - before < bytes.count * 3 / 4)
            }
        }

        @Test("an agent that is killed in the middle of a large crop goes on where the server is")
        func killedOnTheWayUp() async throws {
            try await WebStage.run { stage in
                let bytes = try TestPictures.padded(.png, to: 2 * 1024 * 1024, seed: 3)
                try await stage.startAgent()
                let program = try stage.agent.program
                stage.wire.strike(after: 1_500_000, .up) { program.signal(SIGKILL) }
                try write(bytes, to: stage.agent.crop("large.png"))
                #expect(try await program.ended.wait("the agent to be killed").wasSignalled)
                let before = stage.wire.passed(.up)
                try await stage.startAgent()
                try await stage.agent.change(.icon, of: "large.png")
                #expect(sha256(ofFile: stage.server.path(stage.ada, "large.png")) == sha256(bytes))
                #expect(stage.wire.passed(.up) - before < bytes.count * 3 / 4)
            }
        }

        @Test("a server that restarts is found again, and what waited goes up")
        func restart() async throws {
            try await WebStage.run { stage in
                try await stage.startAgent()
                try await stage.agent.fetch(["nobody.png"])
                try await stage.server.program.killNow()
                let bytes = try TestPictures.padded(.png, to: 9000, seed: 4)
                try write(bytes, to: stage.agent.crop("new.png"))
                try await stage.startServer()
                try await stage.agent.change(.icon, of: "new.png")
                #expect(sha256(ofFile: stage.server.path(stage.ada, "new.png")) == sha256(bytes))
            }
        }

        @Test("a wrong token is the login's fault, and a new one is taken at once")
        func token() async throws {
            try await WebStage.run { stage in
                let right = try #require(contents(stage.ada.tokenFile))
                try write(Array("not-the-token-of-anybody\n".utf8), to: stage.ada.tokenFile)
                try await stage.startAgent()
                await #expect(throws: AgentError.self) { try await stage.agent.client.verify() }
                #expect(try await stage.agent.client.status().connection == "refused")
                try write(right, to: stage.ada.tokenFile)
                try await stage.agent.program.log.line(with: "the token was read again")
                let verified = try await stage.agent.client.verify()
                #expect(verified.dialect == "https" && verified.uid == 1001)
            }
        }

        /// Waits for the problem of this crop, and looks at the words.
        private func untilRefused(_ stage: WebStage, _ name: String, _ reason: String, remedy: String) async throws {
            let client = stage.agent.client
            try await within(patience, "\(name): \(reason)") {
                while try await !client.status().problems.contains(where: {
                    $0.what == "not uploaded yet: \(name): \(reason)" && $0.remedy?.hasPrefix(remedy) == true
                }) { try await Task.sleep(for: .milliseconds(50)) }
            }
        }

        @Test(
            "a server's disk that is full for a while is the server's fault, and the crop goes up once there is room",
            .enabled(if: TmpfsMount.isPermitted))
        func fullServer() async throws {
            try await WebStage.run { stage in
                let disk = try TmpfsMount(kilobytes: 512)
                _ = try await stage.server.program.terminate()
                try FileManager.default.removeItem(atPath: stage.server.root)
                try FileManager.default.createSymbolicLink(atPath: stage.server.root, withDestinationPath: disk.path)
                try await stage.startServer()
                try await stage.startAgent()
                try disk.fill()
                try write(try TestPictures.picture("ada.png"), to: stage.agent.crop("me.png"))
                try await untilRefused(
                    stage, "me.png", "the server's disk is full (507)", remedy: "nothing is wrong with the file")
                try disk.makeRoom()
                // What avatarctl sync asks for.
                for try await _ in try await stage.agent.client.fetchProgress([]) {}
                try await stage.agent.change(.icon, of: "me.png")
                #expect(try await stage.agent.client.status().problems.isEmpty)
                try await stage.server.program.killNow()
            }
        }

        @Test("a quota that is used up is the account's, and what a later avatar takes the place of is no complaint")
        func usedUpQuota() async throws {
            try await WebStage.run { stage in
                try await stage.restartServer(["--quota-bytes-per-user", "6000"])
                try await stage.startAgent()
                try write(try TestPictures.padded(.png, to: 9000, seed: 1), to: stage.agent.crop("large.png"))
                try await untilRefused(
                    stage, "large.png", "the user's files on the server have no room for it (507)",
                    remedy: "make room on the server")
                try write(try TestPictures.padded(.png, to: 3000, seed: 2), to: stage.agent.crop("small.png"))
                try await stage.agent.change(.icon, of: "small.png")
                let sync = try await Program.run(
                    Program.product("avatarctl"), ["sync", "--socket", stage.agent.client.socketPath],
                    in: stage.folder)
                #expect(sync.status == 0, "\(sync)")
            }
        }

        // MARK: Whom the agent trusts

        /// What the agent is told of a server, and what it says of it.
        @Test("a certificate that is not trusted is refused in words")
        func certificates() async throws {
            try await WebStage.run { stage in
                let pin = try await stage.publicKeyDigest()
                let other = String(repeating: "0", count: 64)
                let cases: [(flags: [String], url: String, words: String?)] = [
                    ([], stage.url, "not trusted"),
                    (["--server-ca-file", stage.certificate], stage.url, nil),
                    (["--server-pin", pin], stage.url, nil),
                    (["--server-pin", other], stage.url, "server.pin"),
                    (["--server-ca-file", stage.folder.file("nothing.pem")], stage.url, "certificates"),
                    ([], "http://localhost:\(stage.wire.port)", "closed"),
                ]
                for (flags, url, words) in cases {
                    try await stage.agent.start(WebStage.login(stage.ada, url) + flags)
                    if let words {
                        let error = await #expect(throws: AgentError.self) { try await stage.agent.client.verify() }
                        #expect("\(try #require(error))".contains(words), "\(flags) \(url)")
                    } else {
                        _ = try await stage.agent.client.verify()
                    }
                    _ = try await stage.agent.program.terminate()
                }
            }
        }

        @Test("a certificate for another name is refused in words")
        func otherName() async throws {
            try await WebStage.run { stage in
                try await WebStage.makeCertificate(in: stage.folder, for: "DNS:elsewhere.example.org")
                _ = try await stage.server.program.terminate()
                try await stage.startServer()
                try await stage.startAgent()
                let error = await #expect(throws: AgentError.self) { try await stage.agent.client.verify() }
                #expect("\(try #require(error))".contains("another name"))
            }
        }

        @Test("a server far away is not spoken to without encryption")
        func plaintext() async throws {
            try await WebStage.run { stage in
                for flags in [
                    ["--server-url", "http://avatars.example.org"], ["--server-host", "avatars.example.org"],
                ] {
                    try await stage.agent.start(
                        flags + ["--identity-uid", "1001", "--identity-token-file", stage.ada.tokenFile])
                    let error = await #expect(throws: AgentError.self) { try await stage.agent.client.verify() }
                    #expect("\(try #require(error))".contains("server.allowPlaintext"), "\(flags)")
                    _ = try await stage.agent.program.terminate()
                }
            }
        }

        // MARK: Servers that are not ours

        /// Answers to a request for a picture of 5,000 bytes, and the words in the reason why it is not to be had.
        static let odd: [(what: String, answer: @Sendable ([UInt8], String) -> OddWebServer.Answer?, words: String)] = [
            (
                "no length", { bytes, _ in .init("HTTP/1.1 200 OK\nConnection: close", bytes, closes: true) },
                "how large"
            ),
            ("empty", { _, _ in .init("HTTP/1.1 200 OK\nContent-Length: 0") }, "empty"),
            (
                "compressed",
                { bytes, _ in
                    .init("HTTP/1.1 200 OK\nContent-Length: 5000\nContent-Encoding: gzip", bytes)
                }, "compressed"
            ),
            ("gigantic", { _, _ in .init("HTTP/1.1 200 OK\nContent-Length: 99999999999") }, "promises"),
            (
                "other bytes than the digest",
                { bytes, _ in
                    .init(
                        "HTTP/1.1 200 OK\nContent-Length: 5000\nRepr-Digest: sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:",
                        bytes)
                }, "the server promised"
            ),
            (
                "no picture",
                { _, _ in
                    .init("HTTP/1.1 200 OK\nContent-Length: 5", Array("hello".utf8))
                }, "no picture"
            ),
            ("not modified", { _, _ in .init("HTTP/1.1 304 Not Modified") }, "304"),
            (
                "a part unasked",
                { bytes, _ in
                    .init("HTTP/1.1 206 Partial Content\nContent-Length: 5000\nContent-Range: bytes 0-4999/5000", bytes)
                }, "nobody asked"
            ),
            (
                "elsewhere",
                { _, _ in
                    .init("HTTP/1.1 302 Found\nLocation: https://elsewhere.example.org/\nContent-Length: 0")
                }, "redirect"
            ),
            (
                "in circles", { _, path in .init("HTTP/1.1 302 Found\nLocation: \(path)\nContent-Length: 0") },
                "redirect"
            ),
            ("forbidden", { _, _ in .init("HTTP/1.1 403 Forbidden\nContent-Length: 0") }, "forbidden"),
            ("broken", { _, _ in .init("HTTP/1.1 500 Oops\nContent-Length: 0") }, "500"),
        ]

        @Test("an odd server puts nothing wrong under a name, and the reason is told", arguments: odd.indices)
        func oddServers(_ index: Int) async throws {
            let (what, answer, words) = Self.odd[index]
            let bytes = try TestPictures.padded(.png, to: 5000, seed: 5)
            let odd = try await OddWebServer { head in
                let path = head.split(separator: " ").dropFirst().first.map(String.init) ?? ""
                return path.hasSuffix("/v1/me")
                    ? .init("HTTP/1.1 404 Not Found\nContent-Length: 0") : answer(bytes, path)
            }
            try await WebStage.run { stage in
                try await stage.agent.start(WebStage.login(stage.ada, odd.url))
                try await stage.agent.fetch(["odd.png"])
                let steps = try await stage.agent.client.explain("odd.png")
                let told = steps.map { "\($0.what) \($0.detail ?? "")" }.joined(separator: "\n")
                #expect(told.contains(words), "\(what): \(told)")
                #expect(try visibleNames(in: stage.agent.cache).isEmpty, "\(what)")
                #expect(try await stage.agent.client.get("odd.png").state != .ready, "\(what)")
            }
            await odd.close()
        }

        /// Answers that break off or break the rules, after which the agent asks again and gets the picture.
        static let passing: [(what: String, answer: @Sendable ([UInt8]) -> OddWebServer.Answer)] = [
            (
                "half of a response",
                {
                    .init("HTTP/1.1 200 OK\nContent-Length: 5000\nETag: \"a\"", Array($0.prefix(2500)), closes: true)
                }
            ),
            ("a closed connection", { _ in .init(raw: [], closes: true) }),
            ("no HTTP", { _ in .init(raw: Array("SSH-2.0-OpenSSH\r\n\r\n".utf8), closes: true) }),
            (
                "a head without end",
                { _ in
                    .init(
                        raw: Array(("HTTP/1.1 200 OK\r\n" + String(repeating: "X: y\r\n", count: 50_000)).utf8),
                        closes: true)
                }
            ),
            (
                "a flood of 1xx",
                { _ in
                    .init(
                        raw: Array(String(repeating: "HTTP/1.1 102 Processing\r\n\r\n", count: 5000).utf8), closes: true
                    )
                }
            ),
            ("not now", { _ in .init("HTTP/1.1 503 Not Now\nRetry-After: 1\nContent-Length: 0") }),
            ("too many", { _ in .init("HTTP/1.1 429 Slow Down\nRetry-After: 1\nContent-Length: 0") }),
        ]

        @Test("what passes is outlived", arguments: passing.indices)
        func passingOddities(_ index: Int) async throws {
            let (what, answer) = Self.passing[index]
            let bytes = try TestPictures.padded(.png, to: 5000, seed: 5)
            let isFirst = Occasion<Void>()
            let odd = try await OddWebServer { head in
                if head.contains("/v1/me") { return .init("HTTP/1.1 404 Not Found\nContent-Length: 0") }
                guard isFirst.value != nil else {
                    isFirst.happen(())
                    return answer(bytes)
                }
                // One version after the other: whoever asks for the rest of the first gets another whole.
                return .init("HTTP/1.1 200 OK\nContent-Length: 5000\nETag: \"b\"", bytes)
            }
            try await WebStage.run { stage in
                try await stage.agent.start(WebStage.login(stage.ada, odd.url))
                try await stage.agent.fetch(["odd.png"])
                #expect(sha256(ofFile: stage.agent.cached("odd.png")) == sha256(bytes), "\(what)")
                #expect(try await stage.agent.client.get("odd.png").assurance == "structural", "\(what)")
            }
            await odd.close()
        }
    }
}

extension AgentProgram {
    /// Bytes of unfinished pictures on the disk.
    var partBytes: Int {
        let folder = cache + "/.parts"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.reduce(0) { sum, name in
            let facts = try? FileManager.default.attributesOfItem(atPath: folder + "/" + name)
            return sum + (facts?[.size] as? Int ?? 0)
        }
    }
}

extension WebStage {
    /// The SHA-256 of the public key in the certificate, as `server.pin` wants it.
    func publicKeyDigest() async throws -> String {
        let result = try await Program.run(
            "/bin/sh",
            [
                "-c",
                "openssl x509 -in '\(certificate)' -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum",
            ], environment: ["PATH": "/usr/bin:/bin"], in: folder)
        return String(result.output.prefix(64))
    }
}
