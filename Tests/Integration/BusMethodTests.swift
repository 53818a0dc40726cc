import AvatarAgentClient
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// The label bus of a real agent with a real server, as programs that know nothing of us see it.
    @Suite("The bus from Python")
    struct BusMethods {
        private static let picture = "marta.bmp"

        /// Runs a script on an agent that nobody is logged in at; each line that it prints.
        private func run(_ script: String, _ body: (_ lines: [Any], _ path: String) throws -> Void) async throws {
            try await Stage.run { stage in
                try stage.server.place(try TestPictures.picture(Self.picture), Self.picture, for: stage.ada)
                try await stage.agent.start([])
                let crop = stage.folder.file("crop.png")
                try write(try TestPictures.picture("ada.png"), to: crop)
                let packages = try await Program.run(Program.packageFolder + "/scripts/python-env", in: stage.folder)
                try #require(packages.status == 0, "\(packages.errors)")
                let result = try await Program.run(
                    "/usr/bin/env",
                    [
                        "python3", Program.packageFolder + "/Tests/Integration/Python/\(script).py",
                        stage.agent.client.socketPath, "\(stage.wire.port)", stage.ada.tokenFile, crop, Self.picture,
                        stage.folder.path,
                    ], environment: ["PYTHONPATH": packages.lines.last ?? ""], in: stage.folder)
                #expect(result.status == 0, "\(result.errors)\n\(result.output.suffix(2000))")
                let lines = try result.lines.map {
                    try JSONSerialization.jsonObject(with: Data($0.utf8), options: .fragmentsAllowed)
                }
                try body(lines, stage.agent.cached(Self.picture))
            }
        }

        @Test("PyPI's client drives every method, reads every stream, and is thrown every error")
        func client() async throws {
            try await run("methods") { lines, path in
                var steps: [String: NSDictionary] = [:]
                for line in lines {
                    let step = try #require(line as? [String: Any])
                    let name = try #require(step["step"] as? String)
                    steps[name] = step.filter { $0.key != "step" } as NSDictionary
                }
                let name = Self.picture
                #expect(steps["info"] == ["interfaces": ["org.avatard.Agent", "org.varlink.service"]])
                #expect(steps["description"] == ["text": AgentInterface.description])
                #expect(steps["status"] == ["connection": "offline", "server": NSNull()])
                #expect(steps["outgoing"] == ["states": [["outgoing", "not logged in"]]])
                #expect(steps["fetch"]?["first"] as? NSDictionary == ["accepted": 1])
                #expect(steps["fetch"]?["names"] as? NSArray == [name])
                #expect(steps["fetch"]?["last"] as? NSArray == [1, "ready", path])
                #expect(steps["get"] == ["state": "ready"])
                #expect(steps["explain"] == ["what": ["complete", "is ready"]])
                #expect(steps["upload"] == ["states": ["ready"]])
                #expect((steps["list"]?["names"] as? [String])?.contains(name) == true)
                #expect(steps["list"]?["names"] as? [String] == (steps["list"]?["names"] as? [String])?.sorted())
                #expect((steps["list"]?["ready"] as? [String])?.count == 2)
                #expect(
                    steps["snapshot"] == [
                        "states": [
                            ["a", "ready", NSNull()],
                            ["b", "failed", "unsupported: the classic dialect knows pictures by name only"],
                            ["c", "builtin", NSNull()],
                        ]
                    ])
                #expect(steps["one-shot"] == ["labels": ["x"]])
                #expect(steps["adjusted"] == ["told": [["new", "ready"]], "labels": 1])
                #expect(steps["watch"] == ["gapless": true])
                #expect(steps["reset"] == ["reset": true])
                #expect(steps["nothing new"] == ["changes": []])
                #expect(steps["oneway"] == ["reply": NSNull()])
                #expect(steps["removed"] == ["kind": "removed", "name": name, "gapless": true])
                #expect(steps["when"] == ["at": true, "size": true])
                #expect(steps["parts"] == ["largest": 500, "whole": true])
                #expect(steps["end"] == ["connection": "offline"])
                for done in ["login", "adjust", "pause", "resume", "logout"] {
                    #expect(steps[done] == ["reply": [:]], "\(done)")
                }
                try check(steps)
            }
        }

        private func check(_ steps: [String: NSDictionary]) throws {
            let refused: NSDictionary = ["code": 1010, "reason": "the token is not valid (1010)"]
            let unknown: NSDictionary = ["name": "nobody.png"]
            let expected: [(String, String, NSDictionary?)] = [
                ("NotLoggedIn", "NotLoggedIn", [:]), ("ServerRefused", "ServerRefused", refused),
                ("ServerRefused at once", "ServerRefused", refused), ("UnknownAvatar of Get", "UnknownAvatar", unknown),
                ("UnknownAvatar of Forget", "UnknownAvatar", unknown),
                ("UnknownAvatar of Explain", "UnknownAvatar", unknown),
                ("InvalidName", "InvalidName", ["name": "../a.png", "reason": "begins with a dot"]),
                ("NotAnImage", "NotAnImage", nil), ("TooLarge", "TooLarge", nil), ("Lagging", "Lagging", nil),
                ("TooMany", "TooMany", ["what": "labels", "limit": 500]),
                ("UnknownSubscription", "UnknownSubscription", nil),
            ]
            for (step, error, parameters) in expected {
                #expect(steps[step]?["error"] as? String == "org.avatard.Agent." + error, "\(step)")
                if let parameters { #expect(steps[step]?["parameters"] as? NSDictionary == parameters, "\(step)") }
            }
            let ofService: [String: NSDictionary] = [
                "InterfaceNotFound": ["interface": "org.example.Other"],
                "MethodNotFound": ["method": "org.avatard.Agent.Nothing"],
                "MethodNotImplemented": ["method": "org.avatard.Agent.Status"],
                "InvalidParameter": ["parameter": "more"], "ExpectedMore": [:],
            ]
            for (name, parameters) in ofService {
                #expect(steps[name] == ["error": "org.varlink.service." + name, "parameters": parameters])
            }
            // These need an agent whose disk fails, whose server is pinned, or whose server is none; other tests have one.
            let elsewhere = ["StorageFailed", "LoginFixed", "ServerUnreachable"]
            let declared = AgentInterface.description.split(separator: "\n").filter { $0.hasPrefix("error ") }
            for line in declared {
                let name = line.split(separator: " ")[1]
                #expect(
                    expected.contains { $0.1 == name } || elsewhere.contains { $0 == name },
                    "\(name) is declared, and no call here gets it")
            }
        }

        @Test("PyPI's command line tool calls every method")
        func commandLine() async throws {
            try await run("cli") { lines, path in
                var calls: [(name: String, replies: Any, errors: String)] = []
                for line in lines {
                    let call = try #require(line as? [Any])
                    calls.append((call[0] as? String ?? "", call[1], call[2] as? String ?? ""))
                }
                func said(_ name: String) -> [NSDictionary] {
                    calls.first { $0.name == name }?.replies as? [NSDictionary] ?? []
                }
                func text(_ name: String) -> String { calls.first { $0.name == name }?.replies as? String ?? "" }
                #expect(Set(calls.map(\.name)).isSuperset(of: AgentCall.methods))
                #expect(said("Check").first == ["differences": [], "total": 0])
                #expect(said("Verify").first?["dialect"] as? String == "classic")
                #expect(text("info").contains("org.avatard.Agent"))
                #expect(text("help").contains("method Adjust("))
                #expect(said("Fetch").first == ["accepted": 1])
                #expect((said("Fetch").last?["avatar"] as? NSDictionary)?["path"] as? String == path)
                #expect((said("Get").first?["avatar"] as? NSDictionary)?["state"] as? String == "ready")
                #expect((said("List").first?["avatars"] as? NSArray)?.count == 1)
                #expect((said("Explain").first?["steps"] as? NSArray)?.count ?? 0 > 1)
                #expect((said("Register").last?["labels"] as? NSArray)?.count == 2)
                #expect((said("Watch").first?["changes"] as? NSArray)?.count == 1)
                #expect((said("Upload").last?["avatar"] as? NSDictionary)?["state"] as? String == "ready")
                #expect(said("Status").first?["connection"] as? String == "online")
                // The last of these calls are the ones that must fail.
                let failures = calls.filter { !$0.errors.isEmpty }
                #expect(failures.map(\.name) == ["Forget", "Dismiss", "Adjust", "Fetch"], "\(failures)")
                for (call, error) in zip(
                    failures, ["UnknownAvatar", "UnknownAvatar", "UnknownSubscription", "NotLoggedIn"])
                {
                    #expect(call.errors.contains("org.avatard.Agent." + error), "\(call)")
                }
            }
        }
    }
}
