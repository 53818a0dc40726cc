import Foundation
import Testing

/// HTTP without TLS on a Unix socket, for a proxy in front.
@Suite struct FrontSocketTests {
    private func flags(_ socket: String, _ more: String...) -> [String] {
        ["--http-plaintext", "true", "--http-listen-socket", socket] + more
    }

    private func status(_ socket: String) throws -> String {
        try runProgram(
            "curl", ["-s", "--unix-socket", socket, "-o", "/dev/null", "-w", "%{http_code}", "http://x/healthz"])
    }

    private func mode(_ path: String) throws -> Int? {
        (try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber)?.intValue
    }

    @Test(arguments: [([], 0o660), (["--http-listen-socket-mode", "0600"], 0o600)] as [([String], Int)])
    func itIsThereWhileTheServerIsAndForWhomItMayBe(more: [String], expected: Int) async throws {
        try await withFolder { folder async throws in
            let socket = folder.path + "/http"
            let server = try ServerProcess(folder: folder, flags: flags(socket) + more)
            #expect(try status(socket) == "204")
            #expect(try mode(socket) == expected)
            #expect(server.terminate() == 0)
            #expect(!FileManager.default.fileExists(atPath: socket))
        }
    }

    @Test func oneThatAServerLeftWhenItDiedIsReplaced() async throws {
        try await withFolder { folder async throws in
            let socket = folder.path + "/http"
            try ServerProcess(folder: folder, flags: flags(socket)).kill()
            #expect(FileManager.default.fileExists(atPath: socket))
            let second = try ServerProcess(folder: folder, flags: flags(socket))
            #expect(try status(socket) == "204")
            second.terminate()
        }
    }

    @Test func oneWhereSomebodyAnswersIsLeftAlone() async throws {
        try await withFolder { folder async throws in
            let socket = folder.path + "/http"
            let first = try ServerProcess(folder: folder, flags: flags(socket))
            let second = try ServerProcess.run(
                ["serve", "--listen-port", "0"] + flags(socket) + ServerProcess.storage(folder))
            #expect(second.code == 69)
            #expect(
                second.errors.contains("avatar-server: cannot listen on \(socket): another server answers there\n"),
                "\(second.errors)")
            #expect(try status(socket) == "204")
            first.terminate()
        }
    }

    @Test func whatIsNoSocketStaysAndAFolderMustBeThere() async throws {
        try await withFolder { folder async throws in
            let file = folder.path + "/words"
            try Data("words".utf8).write(to: URL(fileURLWithPath: file))
            let taken = try ServerProcess.run(
                ["serve", "--listen-port", "0"] + flags(file) + ServerProcess.storage(folder))
            #expect(taken.code == 69)
            #expect(taken.errors.contains("something lies there that is no socket of this user's"), "\(taken.errors)")
            #expect(FileManager.default.contents(atPath: file) == Data("words".utf8))
            let nowhere = try ServerProcess.run(
                ["serve", "--listen-port", "0"] + flags(folder.path + "/none/http") + ServerProcess.storage(folder))
            #expect(nowhere.code == 69)
            #expect(nowhere.errors.contains("the folder of http.listen.socket must be there"), "\(nowhere.errors)")
            let check = try ServerProcess.run(
                ["check"] + flags(folder.path + "/none/http") + ServerProcess.storage(folder))
            #expect(
                check.output.contains(
                    "FAIL  socket \(folder.path)/none/http: \(folder.path)/none: No such file or directory"),
                "\(check.output)")
        }
    }

    @Test(arguments: [
        (["--http-listen-socket", "/run/x"], "http.listen.socket: is only for a proxy on this machine"),
        (
            ["--http-plaintext", "true", "--http-listen-socket", "x"],
            "http.listen.socket: \"x\" must be an absolute path"
        ),
        (["--http-listen-socket-mode", "0777"], "http.listen.socketMode: \"0777\" must be an octal mode in quotes"),
        (["--http-listen-socket-mode", "rw"], "http.listen.socketMode: \"rw\" must be an octal mode in quotes"),
        (["--http-listen-socket-mode", "0060"], "http.listen.socketMode: \"0060\" must be an octal mode in quotes"),
        (
            ["--http-plaintext", "true", "--http-listen-socket", "/" + String(repeating: "x", count: 107)],
            "http.listen.socket: has more than 107 bytes"
        ),
    ])
    func whatMakesNoSenseStopsTheProgram(flags: [String], reason: String) throws {
        let result = try ServerProcess.run(["serve"] + flags)
        #expect(result.code == 2)
        #expect(result.errors.contains(reason), "\(result.errors)")
    }
}
