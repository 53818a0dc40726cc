import BusTestSupport
import Foundation
import Testing

/// The port that a program wrote into a file.
func boundPort(in file: String) throws -> Int {
    let text = contents(file).map { String(decoding: $0, as: UTF8.self) } ?? ""
    guard let bound = Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
        throw RunningProgram.NotReady(description: "no port in \(file)")
    }
    return bound
}

/// Where Debian has nginx, a PATH may not.
let hasNginx = FileManager.default.isExecutableFile(atPath: "/usr/sbin/nginx")

/// nginx with what a test writes into its `http` block.
final class NginxProgram: Sendable {
    let program: RunningProgram
    let port: Int
    private let accessLog: String

    /// - Parameter configuration: `@PORT@` stands for the port, `@FOLDER@` for a folder of nginx's own.
    init(_ configuration: String, in folder: TemporaryFolder) async throws {
        let home = folder.file("nginx-" + UUID().uuidString.prefix(8))
        try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
        let (inside, portFile) = (home + "/inside.conf", home + "/port")
        try write(Array(configuration.utf8), to: inside)
        accessLog = home + "/access.log"
        program = try RunningProgram(
            "/usr/bin/python3",
            [Program.packageFolder + "/Tests/Integration/Python/nginx.py", inside, home, portFile],
            environment: ["PATH": "/usr/sbin:/usr/bin:/bin"], in: folder)
        try await program.untilReady()
        port = try boundPort(in: portFile)
    }

    /// Lines of its log for requests that it has answered.
    var answered: [String] {
        String(decoding: contents(accessLog) ?? [], as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// Ends it with all of its processes.
    func end() async throws { _ = try await program.terminate() }
}

/// tuspyserver from PyPI, for one user.
final class TusServerProgram: Sendable {
    let program: RunningProgram
    let port: Int
    private let files: String

    init(for user: ServerProgram.User, _ stage: WebStage) async throws {
        let modules = try await Program.run(Program.packageFolder + "/scripts/python-env", in: stage.folder)
        try #require(modules.status == 0, "\(modules.errors)")
        files = stage.folder.file("tus-" + UUID().uuidString.prefix(8))
        try FileManager.default.createDirectory(atPath: files, withIntermediateDirectories: true)
        let portFile = files + ".port"
        let token = String(decoding: contents(user.tokenFile) ?? [], as: UTF8.self).trimmingCharacters(in: .newlines)
        program = try RunningProgram(
            "/usr/bin/python3",
            [
                "-B", Program.packageFolder + "/Tests/Integration/Python/tus_server.py", files, stage.certificate,
                stage.folder.file("key.pem"), "\(user.uid)", token, portFile,
            ], environment: ["PYTHONPATH": modules.lines.last ?? ""], in: stage.folder)
        try await program.untilReady()
        port = try boundPort(in: portFile)
    }

    /// Where a picture lies that is complete.
    func path(_ name: String) -> String { files + "/" + name }

    /// Requests that came, as "METHOD offset".
    var requests: [String] {
        program.log.lines.map { $0.split(separator: " ") }.filter { $0.count == 3 }.map { "\($0[0]) \($0[2])" }
    }
}
