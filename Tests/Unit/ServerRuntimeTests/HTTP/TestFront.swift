import AvatarCore
import Foundation
import HTTPFront
import Logging
import ServerRuntime

/// The HTTP front of a test's server, with a certificate made for it, and curl to ask it.
struct TestFront {
    let server: TestServer
    let url: String
    let certificate: String

    /// What curl has got.
    struct Answer {
        let status: Int
        /// The last head, with names in lower case.
        let fields: [String: String]
        let body: [UInt8]
        /// What `-w` wrote.
        let output: String
    }

    static func with(
        _ kind: StoreKind = .embedded, _ settings: ServerSettings = ServerSettings(),
        heartbeat: Duration = Limits.Changes.heartbeat, bounds: ExchangeBounds = ExchangeBounds(),
        _ body: (TestFront) async throws -> Void
    ) async throws {
        try await TestServer.with(kind, settings) { server async throws in
            let (certificate, key) = (
                server.folder.appendingPathComponent("cert.pem").path,
                server.folder.appendingPathComponent("key.pem").path
            )
            _ = try runProgram(
                "openssl",
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                    key, "-out",
                    certificate, "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1",
                ])
            var http = settings.http
            http.port = 0
            if !http.isPlaintext { http.tls = .init(certificateFile: certificate, keyFile: key) }
            let (ports, port) = AsyncStream.makeStream(of: Int.self)
            let front = try HTTPFront(
                http, service: server.avatars, version: "1.2.3", heartbeat: heartbeat, bounds: bounds,
                logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
            ) { port.yield($0) }
            let running = Task { try? await front.run() }
            var waiting = ports.makeAsyncIterator()
            let bound = await waiting.next() ?? 0
            let test = TestFront(
                server: server, url: "\(http.isPlaintext ? "http" : "https")://127.0.0.1:\(bound)",
                certificate: certificate)
            do {
                try await body(test)
            } catch {
                running.cancel()
                await running.value
                throw error
            }
            running.cancel()
            await running.value
        }
    }

    /// Runs curl for a path, in a thread of its own: the front that answers runs in this process.
    ///
    /// - Parameters:
    ///   - user: whose id and token it shows; nil for nobody.
    ///   - options: more of curl's.
    func curl(
        _ path: String, as user: Int64? = nil, _ options: [String] = [], upload: [UInt8]? = nil
    ) async throws -> Answer {
        let id = UUID().uuidString
        let (head, body, file) = (
            server.folder.appendingPathComponent("h\(id)"), server.folder.appendingPathComponent("b\(id)"),
            server.folder.appendingPathComponent("u\(id)")
        )
        var arguments = ["-sS", "--path-as-is", "--cacert", certificate, "-D", head.path, "-o", body.path, "-m", "20"]
        if let user { arguments += ["-u", "\(user):token-\(user)"] }
        if let upload {
            try Data(upload).write(to: file)
            arguments += ["-T", file.path]
        }
        let words = arguments + options + [url + path]
        let output = try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try runProgram("curl", words) }) }
        }
        let heads = String(decoding: try Data(contentsOf: head), as: UTF8.self).components(separatedBy: "\r\n\r\n")
        let lines = (heads.last { !$0.isEmpty } ?? "").components(separatedBy: "\r\n")
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        let status = lines[0].split(separator: " ")
        return Answer(
            status: status.count > 1 ? Int(status[1]) ?? 0 : 0, fields: fields,
            body: Array((try? Data(contentsOf: body)) ?? Data()),
            output: output)
    }

    /// Where it listens.
    var port: Int { url.split(separator: ":").last.flatMap { Int($0) } ?? 0 }

    /// What `Python/http2.py` prints.
    func http2(_ command: String, _ arguments: String...) async throws -> String {
        try await python("http2.py", [command], arguments)
    }

    /// What a program of the folder `Python` prints that is told where the front is.
    func python(_ program: String, _ arguments: String...) async throws -> String {
        try await python(program, [], arguments)
    }

    private func python(_ program: String, _ before: [String], _ behind: [String]) async throws -> String {
        let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let package = sources.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let script = sources.appendingPathComponent("Python/\(program)").path
        let words = [script] + before + ["127.0.0.1", "\(port)", certificate] + behind
        return try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    with: Result {
                        let packages = try runProgram(package.appendingPathComponent("scripts/python-env").path, [])
                        return try runProgram(
                            "env", ["PYTHONPATH=" + packages.trimmingCharacters(in: .newlines), "python3"] + words)
                    })
            }
        }
    }
}
