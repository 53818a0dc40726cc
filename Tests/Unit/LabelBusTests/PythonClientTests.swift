import BusTestSupport
import Foundation
import LabelBus
import Testing

/// The label bus as the varlink package of PyPI sees it.
@Suite("The Python client", .timeLimit(.minutes(3)))
struct PythonClientTests {
    private func python(_ arguments: [String], on bus: RunningBus) async throws -> ProgramResult {
        let folder = try await Program.run(Program.packageFolder + "/scripts/python-env", in: bus.folder)
        try #require(folder.status == 0, "\(folder.errors)")
        return try await Program.run(
            "/usr/bin/env", ["python3"] + arguments, environment: ["PYTHONPATH": folder.lines.last ?? ""],
            in: bus.folder)
    }

    private func script(_ name: String) -> String {
        Program.packageFolder + "/Tests/Unit/LabelBusTests/Python/\(name).py"
    }

    private func steps(_ result: ProgramResult) throws -> [String: NSDictionary] {
        var steps: [String: NSDictionary] = [:]
        for line in result.lines {
            let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            let name = try #require(object["step"] as? String)
            steps[name] = object.filter { $0.key != "step" } as NSDictionary
        }
        return steps
    }

    @Test("drives every method, and is thrown every error")
    func everything() async throws {
        try await withBus(ScriptedAgent(refusing: ["Resume": "down"])) { bus in
            bus.agent.mayDismiss("refused.png")
            let result = try await python([script("methods"), bus.path, "/tmp/crop.png"], on: bus)
            #expect(result.status == 0, "\(result.errors)")
            let steps = try steps(result)
            #expect(steps["info"] == ["interfaces": ["org.avatard.Agent", "org.varlink.service"]])
            #expect(steps["description"] == ["text": AgentInterface.description])
            #expect(Set(steps["methods"]?["names"] as? [String] ?? []) == Set(AgentCall.methods))
            #expect(steps["status"] == ["connection": "online", "server": ["host": "127.0.0.1", "port": 9090]])
            #expect(steps["fetch"] == ["reply": ["accepted": 2]])
            #expect(steps["get"] == ["state": "pending"])
            #expect(steps["list"] == ["names": ["a.png", "b.png"]])
            #expect(steps["page"] == ["reply": "a.png"])
            #expect(steps["register"] == ["labels": 1])
            #expect(steps["watch"] == ["cursor": 0])
            #expect(steps["upload"] == ["state": "pending"])
            #expect(steps["explain"] == ["steps": 1])
            #expect(
                steps["verify"]
                    == ["server": ["host": "127.0.0.1", "port": 9090], "uid": 7, "dialect": "classic"])
            #expect(steps["problems"] == ["what": ["up is paused"]])
            #expect(steps["oneway"] == ["reply": NSNull()])
            #expect(steps["forgotten"] == ["names": ["a.png", "crop.png"]])
            for done in ["login", "pause", "resume", "forget", "dismiss", "logout"] {
                #expect(steps[done] == ["reply": [:]])
            }
            #expect(Set(bus.agent.calls.map(\.method)).count == AgentCall.methods.count)
            try checkErrors(steps)
        }
    }

    private func checkErrors(_ steps: [String: NSDictionary]) throws {
        let expected: [String: NSDictionary] = [
            "NotLoggedIn": [:], "UnknownAvatar": ["name": "none.png"],
            "InvalidName": ["name": "../a.png", "reason": "begins with a dot"],
            "NotAnImage": ["path": "/tmp/a.txt", "reason": "is text"],
            "TooLarge": ["path": "/tmp/a.huge", "size": 9_000_000, "limit": 8_388_608],
            "ServerRefused": ["code": 1010, "reason": "token invalid"], "TooMany": ["what": "labels", "limit": 500],
            "UnknownSubscription": ["subscription": "none"],
        ]
        for (name, parameters) in expected {
            #expect(steps[name] == ["error": "org.avatard.Agent.\(name)", "parameters": parameters])
        }
        let ofService: [String: NSDictionary] = [
            "InvalidParameter": ["parameter": "limit"], "ExpectedMore": [:],
            "MethodNotImplemented": ["method": "org.avatard.Agent.Resume"],
            "InterfaceNotFound": ["interface": "org.example.Other"],
        ]
        for (name, parameters) in ofService {
            #expect(steps[name] == ["error": "org.varlink.service.\(name)", "parameters": parameters])
        }
    }

    @Test("reads a stream to its end, and takes its labels back by hanging up")
    func streams() async throws {
        try await withBus { bus in
            async let running = python([script("streams"), bus.path], on: bus)
            await bus.agent.untilCalled("Register")
            bus.agent.complete("a.png", path: "/tmp/a.png")
            await bus.agent.untilCalled("Adjust")
            await bus.agent.untilHungUp()
            let result = try await running
            #expect(result.status == 0, "\(result.errors)")
            #expect(
                result.lines == [
                    #"[["peer", "pending"], ["head", "builtin"]]"#, #"[["peer", "ready"]]"#, "{}",
                ])
            #expect(bus.agent.labelCount == 0)
        }
    }

    @Test("its command line tool reads the description and calls methods")
    func commandLine() async throws {
        try await withBus { bus in
            let address = "unix:\(bus.path)/org.avatard.Agent"
            let help = try await python(["-m", "varlink.cli", "help", address], on: bus)
            #expect(help.output.contains("interface org.avatard.Agent"))
            let info = try await python(["-m", "varlink.cli", "info", "unix:\(bus.path)"], on: bus)
            #expect(info.output.contains("org.avatard.Agent"))
            let status = try await python(["-m", "varlink.cli", "call", address + ".Status", "{}"], on: bus)
            #expect(status.output.contains(#""connection": "offline""#))
            let error = try await python(
                ["-m", "varlink.cli", "call", address + ".Get", #"{"name":"none.png"}"#], on: bus)
            #expect((error.output + error.errors).contains("org.avatard.Agent.UnknownAvatar"))
            let more = try await python(
                [
                    "-m", "varlink.cli", "call", "--more", address + ".Register",
                    #"{"labels":[{"label":"h","name":":/res/head_1.jpg"}]}"#,
                ], on: bus)
            #expect(more.output.contains(#""state": "builtin""#))
        }
    }
}
