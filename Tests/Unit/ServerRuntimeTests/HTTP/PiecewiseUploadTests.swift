import AvatarCore
import Foundation
import PosixFiles
import ServerRuntime
import Synchronization
import TestPictures
import Testing

/// Pictures up in pieces (tus 1.0.0), by curl and by the client library of PyPI.
@Suite struct PiecewiseUploadTests {
    private static let versions = ["--http1.1", "--http2"]
    private static let tus = ["-H", "Tus-Resumable: 1.0.0"]

    private func digest(_ bytes: [UInt8]) throws -> SHA256Digest { try SHA256Digest(of: bytes.span.bytes) }

    private func metadata(_ name: String, sha256 picture: [UInt8]? = nil) throws -> String {
        func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
        let sha256 = try picture.map { ",sha256 \(base64(try digest($0).hex))" } ?? ""
        return "Upload-Metadata: filename \(base64(name))\(sha256)"
    }

    /// Begins an upload and gives its path.
    private func create(
        _ front: TestFront, _ name: String, size: Int, sha256 picture: [UInt8]? = nil, _ options: [String] = []
    ) async throws -> String {
        let fields = ["-X", "POST", "-H", "Upload-Length: \(size)", "-H", try metadata(name, sha256: picture)]
        let answer = try await front.curl("/v1/users/1019/uploads", as: 1019, Self.tus + fields + options)
        #expect(answer.status == 201)
        #expect(answer.fields["tus-resumable"] == "1.0.0")
        return try #require(answer.fields["location"])
    }

    private func patch(
        _ front: TestFront, _ path: String, at offset: Int, _ bytes: ArraySlice<UInt8>, _ options: [String] = []
    ) async throws -> TestFront.Answer {
        try await front.curl(
            path, as: 1019,
            Self.tus + [
                "-X", "PATCH", "-H", "Upload-Offset: \(offset)", "-H", "Content-Type: application/offset+octet-stream",
            ] + options, upload: Array(bytes))
    }

    private func head(_ front: TestFront, _ path: String, as user: Int64 = 1019) async throws -> TestFront.Answer {
        try await front.curl(path, as: user, Self.tus + ["-I"])
    }

    @Test(arguments: StoreKind.allCases, versions)
    func aPictureGoesUpInPieces(kind: StoreKind, version: String) async throws {
        try await TestFront.with(kind) { front async throws in
            let picture = try TestPictures.padded(.png, to: 200_000)
            let path = try await create(front, "köpf.png", size: 200_000, sha256: picture, [version])
            #expect(try await head(front, path).fields["upload-offset"] == "0")
            let first = try await patch(front, path, at: 0, picture[..<120_000], [version])
            #expect(first.status == 204)
            #expect(first.fields["upload-offset"] == "120000")
            let between = try await head(front, path)
            #expect(between.status == 200)
            #expect(between.fields["upload-offset"] == "120000")
            #expect(between.fields["upload-length"] == "200000")
            #expect(between.fields["cache-control"] == "no-store")
            #expect(
                "Upload-Metadata: \(between.fields["upload-metadata"] ?? "")"
                    == (try metadata("köpf.png", sha256: picture)))
            #expect(try front.server.icon(of: 1019) != "köpf.png")
            let last = try await patch(front, path, at: 120_000, picture[120_000...], [version])
            #expect(last.status == 204)
            #expect(last.fields["etag"] == "\"\(try digest(picture).hex)\"")
            let got = try await front.curl("/v1/users/1019/avatar", as: 1020, [version])
            #expect(got.body == picture)
            #expect(got.fields["avatar-generation"] == "1")
            // Who has lost the last answer hears that all is there.
            #expect(try await head(front, path).fields["upload-offset"] == "200000")
            #expect(try await patch(front, path, at: 200_000, []).status == 204)
            #expect(try await front.curl("/v1/users/1019/avatar", as: 1020).fields["avatar-generation"] == "1")
        }
    }

    @Test func aPictureMayComeWithTheFirstRequest() async throws {
        try await TestFront.with { front async throws in
            let picture = try TestPictures.padded(.png, to: 5000)
            let answer = try await front.curl(
                "/v1/users/1019/uploads", as: 1019,
                Self.tus + [
                    "-X", "POST", "-H", "Upload-Length: 5000", "-H", try metadata("a.png"), "-H",
                    "Content-Type: application/offset+octet-stream",
                ], upload: picture)
            #expect(answer.status == 201)
            #expect(answer.fields["upload-offset"] == "5000")
            #expect(front.server.bytes(1019, "a.png") == picture)
        }
    }

    @Test func whatTheServerCanDoIsTold() async throws {
        try await TestFront.with { front async throws in
            let answer = try await front.curl("/v1/users/1019/uploads", ["-X", "OPTIONS"])
            #expect(answer.status == 204)
            #expect(answer.fields["tus-version"] == "1.0.0")
            #expect(
                answer.fields["tus-extension"] == "creation,creation-with-upload,checksum,expiration,termination")
            #expect(answer.fields["tus-max-size"] == "8388608")
            #expect(answer.fields["tus-checksum-algorithm"] == "sha256")
        }
    }

    @Test func anUploadThatCannotBeIsRefusedAtOnce() async throws {
        let settings = ServerSettings(uploadBytesMax: 10_000, quotaBytesPerUser: 6000)
        try await TestFront.with(.embedded, settings) { front async throws in
            let name = try metadata("a.png")
            let refusals: [(fields: [String], status: Int)] = [
                (["Upload-Length: 5000"], 400), (["Upload-Length: x", name], 400), ([name], 400),
                (["Upload-Length: 5000", "Upload-Metadata: filename Li4="], 400),
                (["Upload-Length: 10001", name], 413), (["Upload-Length: 0", name], 415),
                (["Upload-Length: 7000", name], 507), (["Upload-Length: 5000", name], 201),
            ]
            for refusal in refusals {
                let fields = refusal.fields.flatMap { ["-H", $0] }
                let answer = try await front.curl(
                    "/v1/users/1019/uploads", as: 1019, Self.tus + ["-X", "POST"] + fields)
                #expect(answer.status == refusal.status, "\(refusal)")
                #expect(answer.fields["tus-resumable"] == "1.0.0")
            }
            let old = try await front.curl("/v1/users/1019/uploads", as: 1019, ["-X", "POST"])
            #expect(old.status == 412)
            #expect(old.fields["tus-version"] == "1.0.0")
            let others = ["-X", "POST", "-H", "Upload-Length: 5000", "-H", name]
            #expect(try await front.curl("/v1/users/1020/uploads", as: 1019, Self.tus + others).status == 404)
            #expect(try await front.curl("/v1/users/1019/uploads", as: 1019, Self.tus).status == 405)
        }
    }

    @Test func aPieceThatDoesNotFitChangesNothing() async throws {
        try await TestFront.with { front async throws in
            let picture = try TestPictures.padded(.png, to: 5000)
            let path = try await create(front, "a.png", size: 5000)
            #expect(try await patch(front, path, at: 0, picture[..<2000]).status == 204)
            func checksum(_ bytes: [UInt8]) throws -> [String] {
                ["-H", "Upload-Checksum: sha256 \(Data(try digest(bytes).bytes).base64EncodedString())"]
            }
            let rest = picture[2000...]
            let differs = try await patch(front, path, at: 2000, rest, try checksum(picture))
            #expect(differs.status == 460)
            for (offset, bytes, options, status) in [
                (0, rest, [], 409), (1999, rest, [], 409), (2001, rest, [], 409), (2000, picture[...], [], 413),
                (2000, rest, ["-H", "Upload-Checksum: sha1 AAAA"], 400),
                (2000, picture[...], ["-H", "Transfer-Encoding: chunked", "--http1.1"], 413),
            ] as [(Int, ArraySlice<UInt8>, [String], Int)] {
                #expect(try await patch(front, path, at: offset, bytes, options).status == status)
            }
            let kind = try await front.curl(
                path, as: 1019, Self.tus + ["-X", "PATCH", "-H", "Upload-Offset: 2000"], upload: Array(rest))
            #expect(kind.status == 415)
            #expect(try await head(front, path, as: 1020).status == 404, "it is another user's")
            #expect(try await head(front, path).fields["upload-offset"] == "2000")
            #expect(try await patch(front, path, at: 2000, rest, try checksum(Array(rest))).status == 204)
            #expect(front.server.bytes(1019, "a.png") == picture)
        }
    }

    @Test func whatIsNoPictureOrAnotherOneIsGone() async throws {
        try await TestFront.with { front async throws in
            let picture = try TestPictures.padded(.png, to: 5000)
            let other = try TestPictures.padded(.png, to: 5000, seed: 1)
            for (promised, bytes, status) in [(picture, other, 422), (nil, Array(picture.dropLast(20)), 415)] {
                let path = try await create(front, "a.png", size: bytes.count, sha256: promised)
                #expect(try await patch(front, path, at: 0, bytes[...]).status == status)
                #expect(try await head(front, path).status == 404)
            }
            #expect(front.server.bytes(1019, "a.png") == nil)
        }
    }

    @Test(arguments: StoreKind.allCases) func anUploadEndsWhenItIsToldOrReplacedOrOld(kind: StoreKind) async throws {
        try await TestFront.with(kind) { front async throws in
            let ended = try await create(front, "a.png", size: 5000)
            #expect(try await front.curl(ended, as: 1019, Self.tus + ["-X", "DELETE"]).status == 204)
            #expect(try await head(front, ended).status == 404)
            let replaced = try await create(front, "a.png", size: 5000)
            let old = try await create(front, "a.png", size: 5000)
            #expect(try await head(front, replaced).status == 404)
            #expect(try await head(front, old).status == 200)
            // Redis has a clock of its own.
            guard kind == .embedded else { return }
            front.server.backend.secondsAhead.withLock { $0 = Int64(Limits.Server.uploadLifeSeconds) + 1 }
            #expect(try await head(front, old).status == 404)
        }
    }

    @Test(arguments: versions) func aCutUploadGoesOnAndHasOneWriter(version: String) async throws {
        try await TestFront.with { front async throws in
            let picture = try TestPictures.padded(.png, to: 2_000_000)
            let path = try await create(front, "a.png", size: picture.count)
            let slow = Task {
                try await patch(front, path, at: 0, picture[...], [version, "--limit-rate", "300K", "-m", "2"])
            }
            var held = 0
            while held == 0 { held = Int(try await head(front, path).fields["upload-offset"] ?? "") ?? 0 }
            let second = try await patch(front, path, at: held, picture[held...])
            #expect([409, 423].contains(second.status))
            // curl has given up.
            await #expect(throws: (any Error).self) { try await slow.value }
            var last: TestFront.Answer
            repeat {
                held = Int(try await head(front, path).fields["upload-offset"] ?? "") ?? 0
                #expect(held < picture.count)
                last = try await patch(front, path, at: held, picture[held...], [version])
                // The server hears of the cut a moment later than curl's user.
            } while [409, 423].contains(last.status)
            #expect(last.status == 204)
            #expect(front.server.bytes(1019, "a.png") == picture)
        }
    }

    @Test func tuspyGoesOnAfterTheServerWasKilled() async throws {
        try await withFolder { folder async throws in
            let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            let package = sources.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            let packages = try runProgram(package.appendingPathComponent("scripts/python-env").path, [])
            let script = sources.appendingPathComponent("Python/tus_upload.py").path
            let added = try ServerProcess.run(["user", "add", "7"] + ServerProcess.storage(folder))
            let token = added.output.trimmingCharacters(in: .whitespacesAndNewlines)
            let picture = try TestPictures.padded(.png, to: 300_000)
            let file = folder.appendingPathComponent("picture.png")
            try Data(picture).write(to: file)
            func start() throws -> (server: ServerProcess, origin: String) {
                let portFile = folder.appendingPathComponent("http")
                let server = try ServerProcess(
                    folder: folder,
                    flags: [
                        "--http-plaintext", "true", "--http-listen-port", "0", "--http-port-file", portFile.path,
                    ])
                return (server, "http://127.0.0.1:\(try String(contentsOf: portFile, encoding: .utf8).dropLast())")
            }
            func tuspy(_ url: String, _ pieces: [String]) throws -> String {
                try runProgram(
                    "env",
                    [
                        "PYTHONPATH=\(packages.trimmingCharacters(in: .newlines))", "PYTHONDONTWRITEBYTECODE=1",
                        "python3",
                    ]
                        + [script, url, "7", token, file.path, "50000"] + pieces
                ).trimmingCharacters(in: .newlines)
            }
            let first = try start()
            let upload = try tuspy(first.origin + "/v1/users/7/uploads", ["3"])
            #expect(upload.hasPrefix(first.origin))
            first.server.kill()
            let second = try start()
            #expect(try tuspy(second.origin + upload.dropFirst(first.origin.count), []) == "done")
            let got = folder.appendingPathComponent("got")
            try runProgram("curl", ["-sSf", "-u", "7:\(token)", "-o", got.path, second.origin + "/v1/users/7/avatar"])
            #expect(try Data(contentsOf: got) == Data(picture))
            second.server.terminate()
        }
    }
}
