import AvatarAgentClient
import BusTestSupport
import Foundation
import LabelBus
import Testing

/// avatard itself, without a server: what avatarctl says, it understands.
@Suite("With the real agent", .timeLimit(.minutes(2)))
struct RealAgentTests {
    private func withAgent(_ body: (TemporaryFolder, [String: String], pid_t) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        let environment = [
            "XDG_RUNTIME_DIR": folder.file("run"), "XDG_DATA_HOME": folder.file("data"),
            "XDG_STATE_HOME": folder.file("state"), "XDG_CONFIG_HOME": folder.file("config"),
        ]
        for path in environment.values {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Program.product("avatard"))
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardError = FileHandle(forWritingAtPath: "/dev/null")
        process.standardOutput = FileHandle(forWritingAtPath: "/dev/null")
        try process.run()
        defer {
            process.terminate()
            process.waitUntilExit()
        }
        let socket = folder.file("run/avatard/agent.sock")
        while !FileManager.default.fileExists(atPath: socket), process.isRunning {
            try await Task.sleep(for: .milliseconds(10))
        }
        try await body(folder, environment, process.processIdentifier)
    }

    @Test("each of avatarctl's commands is taken by the agent")
    func commands() async throws {
        try await withAgent { folder, environment, _ in
            func avatarctl(_ arguments: String...) async throws -> ProgramResult {
                try await Program.run(Program.product("avatarctl"), arguments, environment: environment, in: folder)
            }
            let done = [
                ["status"], ["status", "--json"], ["list"], ["pause"], ["pause", "down"], ["pause", "up", "--json"],
                ["resume", "down"], ["resume", "up"], ["resume"], ["register", ":/res/head_3.jpg"],
            ]
            for arguments in done {
                let result = try await Program.run(
                    Program.product("avatarctl"), arguments, environment: environment, in: folder)
                #expect(result.status == 0, "\(arguments): \(result.errors)")
            }
            let head = try await avatarctl("register", ":/res/head_3.jpg")
            #expect(head.output.contains("builtin"))
            let notLoggedIn = try await avatarctl("fetch", "--no-wait", "a.png")
            #expect(notLoggedIn.errors == "avatarctl: nobody is logged in\n")
            let hidden = try await avatarctl("get", ".hidden.png")
            #expect(hidden.errors == "avatarctl: .hidden.png: the name begins with a dot\n")
            let file = folder.file("note.png")
            try Data("no picture".utf8).write(to: URL(fileURLWithPath: file))
            let upload = try await avatarctl("upload", file)
            #expect(upload.status == 1)
            #expect(upload.errors.contains(file))
        }
    }

    @Test("with nothing to do no thread of it wakes up, whoever is subscribed")
    func idle() async throws {
        try await withAgent { folder, _, pid in
            let client = try await RawClient(folder.file("run/avatard/agent.sock"))
            let label = #"{"labels":[{"label":"peer","name":"a.png"}],"keep":true}"#
            try await client.send(#"{"method":"org.avatard.Agent.Register","parameters":\#(label),"more":true}"#)
            #expect(try await client.next()?.contains("pending") == true)
            // Threads that did their work at the start go after some seconds; then three seconds in a row have to be silent.
            let facts = ProcessFacts(id: pid)
            var wakeUps: [Int] = []
            for _ in 0..<8 where wakeUps.last != 0 {
                let before = facts.voluntarySwitches()
                try await Task.sleep(for: .seconds(3))
                wakeUps.append(facts.voluntarySwitches() - before)
            }
            #expect(wakeUps.last == 0, "wake-ups in each three seconds: \(wakeUps)")
            try await client.close()
        }
    }
}
