import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// nginx as the server, and in front of ours. Its configurations are those of docs/http.md.
    @Suite("Beside nginx", .enabled(if: hasNginx, "needs nginx-light from Debian"))
    struct Nginx {
        /// A configuration of docs/http.md with the places of a test in it.
        private func documented(_ part: String, _ stage: WebStage, _ replaced: [(String, String)]) throws -> String {
            var text = try #require(
                try Documents.blocks(of: "docs/http.md", in: "nginx").first { $0.contains(part) })
            let everywhere = [
                ("listen 443", "listen 127.0.0.1:@PORT@"), ("/etc/nginx/avatars.pem", stage.certificate),
                ("/etc/nginx/avatars.key", stage.folder.file("key.pem")),
            ]
            for (old, new) in everywhere + replaced {
                try #require(text.contains(old), "\(old)")
                text = text.replacing(old, with: new)
            }
            return text
        }

        // MARK: nginx alone

        /// nginx with the files of a folder, to which the stage's url leads from now on.
        private func withFiles(
            without line: String? = nil, _ body: (WebStage, NginxProgram, _ files: String) async throws -> Void
        ) async throws {
            try await WebStage.run { stage in
                let files = stage.folder.file("www")
                try FileManager.default.createDirectory(
                    atPath: files + "/v1/avatars", withIntermediateDirectories: true)
                let configuration = try documented("dav_methods", stage, [("/srv/avatars", files)])
                let nginx = try await NginxProgram(
                    line.map { configuration.replacing($0, with: "") } ?? configuration, in: stage.folder)
                stage.lead(to: nginx.port)
                do {
                    try await body(stage, nginx, files)
                } catch {
                    try? await nginx.end()
                    throw error
                }
                try await nginx.end()
            }
        }

        @Test("its files come down byte for byte, under any name, and one that is not there is absent")
        func down() async throws {
            try await withFiles { stage, _, files in
                let pictures =
                    try TestPictures.all() + [
                        ("Zoë & friends %41.png", try TestPictures.padded(.png, to: 5000)),
                        ("large.png", try TestPictures.padded(.png, to: 2 * 1024 * 1024)),
                    ]
                for (name, bytes) in pictures { try write(bytes, to: "\(files)/v1/avatars/\(name)") }
                try await stage.startAgent()
                try await stage.agent.fetch(pictures.map(\.name) + ["nobody.png"])
                for (name, bytes) in pictures {
                    #expect(sha256(ofFile: stage.agent.cached(name)) == sha256(bytes), "\(name)")
                    #expect(try await stage.agent.client.get(name).assurance == "structural", "\(name)")
                }
                #expect(try await stage.agent.client.get("nobody.png").state == .absent)
                #expect(try await stage.agent.client.status().problems.isEmpty)
            }
        }

        @Test("what is cut goes on by Range and nginx's tag")
        func goesOn() async throws {
            try await withFiles { stage, nginx, files in
                let bytes = try TestPictures.padded(.png, to: 2 * 1024 * 1024, seed: 3)
                try write(bytes, to: files + "/v1/avatars/large.png")
                try await stage.startAgent()
                let before = stage.wire.passed(.down)
                stage.wire.cut(every: 400_000, times: 4)
                try await stage.agent.fetch(["large.png"])
                #expect(sha256(ofFile: stage.agent.cached("large.png")) == sha256(bytes))
                #expect(stage.wire.passed(.down) - before < bytes.count * 7 / 4)
                #expect(nginx.answered.contains { $0.contains("/large.png") && $0.contains(" 206 ") })
            }
        }

        @Test(
            "a picture that is replaced is noticed when it is shown and old enough; the agent says that nobody tells it"
        )
        func replaced() async throws {
            try await withFiles { stage, _, files in
                let (first, second) = (
                    try TestPictures.padded(.png, to: 6000, seed: 1), try TestPictures.padded(.png, to: 6000, seed: 2)
                )
                try write(first, to: files + "/v1/avatars/face.png")
                try await stage.startAgent(["--cache-recheck-after", "1"])
                try await stage.agent.fetch(["face.png"])
                try writeByRename(second, to: files + "/v1/avatars/face.png")
                // A label that becomes visible a second later asks again.
                try await Task.sleep(for: .milliseconds(1100))
                let client = stage.agent.client
                try await within(patience, "the second picture") {
                    for try await reply in try await client.register(
                        [LabelRequest(label: "face", name: "face.png", owner: 1002)], keep: true)
                    {
                        guard reply.labels.contains(where: { $0.avatar.sha256 == sha256(second) }) else { continue }
                        // While the label is there: whom nobody shows the agent does not follow.
                        try await stage.agent.program.log.line(with: "does not tell of changes", "cache.recheckAfter")
                        return
                    }
                    throw CancellationError()
                }
            }
        }

        @Test("crops of every size go up by PUT where WebDAV is on, and no other way is asked for twice")
        func up() async throws {
            try await withFiles { stage, nginx, files in
                try await stage.startAgent()
                let pictures = try [2000, 300 * 1024, 2 * 1024 * 1024].map {
                    ("size-\($0).png", try TestPictures.padded(.png, to: $0, seed: 7))
                }
                for (name, bytes) in pictures {
                    try write(bytes, to: stage.agent.crop(name))
                    try await stage.agent.change(.uploaded, of: name)
                    #expect(sha256(ofFile: files + "/v1/users/1001/avatars/" + name) == sha256(bytes), "\(name)")
                }
                #expect(nginx.answered.filter { $0.contains("POST /v1/users/1001/uploads") }.count == 1)
            }
        }

        @Test("where nothing may be written the crop stays, and the agent says so in words")
        func readOnly() async throws {
            try await withFiles(without: "dav_methods PUT;") { stage, _, _ in
                try await stage.startAgent()
                try write(try TestPictures.padded(.png, to: 5000), to: stage.agent.crop("mine.png"))
                let client = stage.agent.client
                let words = try await within(patience, "a problem") {
                    while true {
                        // No event tells of a problem.
                        if let problem = try await client.status().problems.first { return problem.what }
                        try await Task.sleep(for: .milliseconds(50))
                    }
                }
                #expect(
                    words.contains("mine.png") && words.contains("405: the server takes no such request"), "\(words)")
                #expect(FileManager.default.fileExists(atPath: stage.agent.crop("mine.png")))
            }
        }

        // MARK: nginx in front

        /// avatar-server without TLS behind nginx, to which the stage's url leads.
        private func withProxy(
            bySocket: Bool = false, _ body: (WebStage, NginxProgram) async throws -> Void
        ) async throws {
            try await WebStage.run { stage in
                let socket = stage.folder.file("http")
                try await stage.restartServer(
                    ["--http-public-avatars", "true"] + (bySocket ? ["--http-listen-socket", socket] : []),
                    isPlain: true)
                let nginx = try await NginxProgram(
                    try documented(
                        "proxy_cache_path", stage,
                        [
                            ("/var/cache/nginx/avatars", "@FOLDER@/cache"),
                            ("127.0.0.1:9080", bySocket ? "unix:\(socket)" : "127.0.0.1:\(stage.frontPort)"),
                        ]), in: stage.folder)
                stage.lead(to: nginx.port)
                do {
                    try await body(stage, nginx)
                } catch {
                    try? await nginx.end()
                    throw error
                }
                try await nginx.end()
            }
        }

        /// A request of curl's without a login: the status, the fields in small letters, the body's digest.
        private func curl(
            _ stage: WebStage, _ path: String, _ arguments: [String] = []
        ) async throws -> (status: String, fields: String, sha256: String?) {
            let body = stage.folder.file("body-" + UUID().uuidString.prefix(8))
            let got = try await Program.run(
                "/usr/bin/curl",
                ["-sS", "--cacert", stage.certificate, "-D", "-", "-o", body] + arguments + [stage.url + path],
                in: stage.folder)
            try #require(got.status == 0, "\(got.errors)")
            let status = got.lines.first?.split(separator: " ").dropFirst().first.map(String.init) ?? ""
            return (status, got.output.lowercased(), sha256(ofFile: body))
        }

        /// Registers labels until they show what `isEnough` wants: digests by label, "absent" for a user without an avatar.
        private func show(
            _ labels: [LabelRequest], _ stage: WebStage, until isEnough: @escaping @Sendable ([String: String]) -> Bool
        ) async throws {
            let client = stage.agent.client
            try await within(patience, "what the labels show") {
                var shown: [String: String] = [:]
                for try await reply in try await client.register(labels, keep: true) {
                    for told in reply.labels {
                        shown[told.label] = told.avatar.state == .ready ? told.avatar.sha256 : "\(told.avatar.state)"
                    }
                    if isEnough(shown) { return }
                }
                throw CancellationError()
            }
        }

        @Test("after a start labels show what they showed, and no user is asked for whose change the server tells")
        func knownAvatars() async throws {
            try await withProxy { stage, nginx in
                let count = 6
                var digests: [String: String] = [:]
                for number in 0..<count {
                    let user = try await stage.server.addUser(Int64(2000 + number), name: "user\(number)")
                    // The last one has no avatar.
                    guard number < count - 1 else { continue }
                    let bytes = try TestPictures.padded(.png, to: 5000, seed: UInt8(number))
                    try await stage.put(bytes, "face-\(number).png", by: user)
                    digests["\(number)"] = sha256(bytes)
                }
                digests["\(count - 1)"] = "absent"
                let labels = (0..<count).map { LabelRequest(label: "\($0)", owner: 2000 + $0) }
                try await stage.startAgent()
                let first = digests
                try await show(labels, stage) { $0 == first }
                try await stage.agent.program.log.line(with: "followed", "\(count) users, \(count) known")
                _ = try await stage.agent.program.terminate()

                for number in [1, count - 1] {
                    let bytes = try TestPictures.padded(.png, to: 5000, seed: UInt8(100 + number))
                    let user = ServerProgram.User(
                        uid: Int64(2000 + number), tokenFile: stage.folder.file("token-\(2000 + number)"))
                    try await stage.put(bytes, "new-\(number).png", by: user)
                    digests["\(number)"] = sha256(bytes)
                }
                let before = nginx.answered.count
                try await stage.startAgent()
                let second = digests
                try await show(labels, stage) { $0 == second }
                let asked = nginx.answered.dropFirst(before)
                // It asks for its own user's avatar, which another program may have set.
                #expect(asked.filter { $0.contains("\"HEAD ") && !$0.contains("\"HEAD /v1/users/1001/avatar ") } == [])
                #expect(asked.filter { $0.contains("\"GET /v1/avatars/") }.count == 2)
                _ = try await stage.agent.program.terminate()

                // Nothing listens at this port.
                stage.lead(to: 1)
                try await stage.startAgent()
                try await show(labels, stage) { $0 == second }
            }
        }

        @Test(
            "the agent goes through it: down by digest, up by PUT and in pieces, and it hears of changes",
            arguments: [false, true])
        func through(bySocket: Bool) async throws {
            try await withProxy(bySocket: bySocket) { stage, _ in
                let (first, second) = (
                    try TestPictures.padded(.png, to: 6000, seed: 1), try TestPictures.padded(.png, to: 6000, seed: 2)
                )
                try await stage.put(first, "face.png", by: stage.bob)
                try await stage.startAgent()
                for (name, size) in [("small.png", 5000), ("large.png", 700 * 1024)] {
                    let bytes = try TestPictures.padded(.png, to: size, seed: 5)
                    try write(bytes, to: stage.agent.crop(name))
                    try await stage.agent.change(.icon, of: name)
                    #expect(sha256(ofFile: stage.server.path(stage.ada, name)) == sha256(bytes), "\(name)")
                }
                let isReplaced = Occasion<Void>()
                let client = stage.agent.client
                try await within(patience, "both pictures") {
                    for try await reply in try await client.register(
                        [LabelRequest(label: "b", owner: 1002)], keep: true)
                    {
                        for avatar in reply.labels.map(\.avatar) where avatar.state == .ready {
                            #expect(avatar.assurance == "digest")
                            if avatar.sha256 == sha256(first), isReplaced.value == nil {
                                isReplaced.happen(())
                                try await stage.put(second, "face.png", by: stage.bob)
                            }
                            if avatar.sha256 == sha256(second) { return }
                        }
                    }
                    throw CancellationError()
                }
            }
        }

        @Test(
            "it keeps what is public, and asks for everything else; whoever logs in is never answered from what it keeps"
        )
        func caches() async throws {
            try await withProxy { stage, _ in
                let (first, second) = (
                    try TestPictures.padded(.png, to: 6000, seed: 1), try TestPictures.padded(.png, to: 6000, seed: 2)
                )
                try await stage.put(first, "first.png", by: stage.bob)
                for expected in ["miss", "hit", "hit"] {
                    let got = try await curl(stage, "/v1/users/1002/avatar")
                    #expect(got.status == "200" && got.sha256 == sha256(first))
                    #expect(got.fields.contains("x-cache-status: \(expected)\r\n"), "\(got.fields)")
                }
                let tag = "\"\(sha256(first))\""
                let unchanged = try await curl(stage, "/v1/users/1002/avatar", ["-H", "If-None-Match: \(tag)"])
                #expect(unchanged.status == "304")
                let part = try await curl(stage, "/v1/users/1002/avatar", ["-r", "1000-1999"])
                #expect(part.status == "206" && part.sha256 == sha256(Array(first[1000..<2000])))
                // Asked for by its name it is public too, and not among what is kept.
                let named = try await curl(stage, "/v1/users/1002/avatars/first.png")
                #expect(named.status == "200" && !named.fields.contains("x-cache-status"))
                #expect(try await curl(stage, "/v1/me").status == "401")

                try await stage.put(second, "second.png", by: stage.bob)
                #expect(try await curl(stage, "/v1/users/1002/avatar").sha256 == sha256(first), "kept for a minute")
                #expect(try await curl(stage, "/v1/users/1002/avatar?2").sha256 == sha256(second))
                try await stage.startAgent()
                let client = stage.agent.client
                try await within(patience, "the second picture, at once") {
                    for try await reply in try await client.register(
                        [LabelRequest(label: "b", owner: 1002)], keep: true)
                    {
                        for avatar in reply.labels.map(\.avatar) where avatar.state == .ready {
                            #expect(avatar.sha256 == sha256(second))
                            return
                        }
                    }
                    throw CancellationError()
                }
            }
        }
    }

    /// A tus server that is not ours.
    @Suite("A tus server from PyPI")
    struct ForeignTus {
        @Test("a crop of more than 256 KiB goes up in pieces, and goes on after a cut where it was")
        func resumes() async throws {
            try await WebStage.run { stage in
                let tus = try await TusServerProgram(for: stage.ada, stage)
                stage.lead(to: tus.port)
                try await stage.startAgent()
                let bytes = try TestPictures.padded(.png, to: 3 * 1024 * 1024, seed: 3)
                stage.wire.cut(every: 1_500_000, .up, times: 1)
                try write(bytes, to: stage.agent.crop("large.png"))
                try await stage.agent.change(.uploaded, of: "large.png")
                #expect(sha256(ofFile: tus.path("large.png")) == sha256(bytes))
                // Before the upload the agent asks who the user's avatar is.
                let requests = Array(tus.requests.filter { !$0.hasPrefix("GET") }.drop { $0 == "HEAD -" })
                #expect(requests.first == "POST -" && requests.filter { $0.hasPrefix("POST") }.count == 1)
                let patches = requests.compactMap { $0.hasPrefix("PATCH") ? Int($0.split(separator: " ")[1]) : nil }
                #expect(patches.count >= 2 && patches.first == 0 && patches.last.map { $0 > 0 } == true, "\(requests)")
                #expect(requests.contains("HEAD -"))
                // It would wait for the agent's connection to end.
                try await tus.program.killNow()
            }
        }
    }
}
