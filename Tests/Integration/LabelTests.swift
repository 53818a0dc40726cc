import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// Whoever asked for a picture hears that it is there, once.
    @Suite("Labels")
    struct Labels {
        /// How often each label was told "ready", and with which path.
        private func readyTold(_ stage: Stage, _ requests: [LabelRequest]) async throws -> [String: [String?]] {
            let client = stage.agent.client
            return try await within(patience, "the labels of \(requests.map(\.label))") {
                var told: [String: [String?]] = [:]
                for try await reply in try await client.register(requests) {
                    for state in reply.labels where state.avatar.state == .ready {
                        told[state.label, default: []].append(state.avatar.path)
                    }
                }
                return told
            }
        }

        @Test("two labels for one picture, and a third of another subscriber, are each told once; it is fetched once")
        func twoLabels() async throws {
            try await Stage.run { stage in
                let bytes = try TestPictures.picture("marta.bmp")
                try stage.server.place(bytes, "marta.bmp", for: stage.ada)
                try await stage.startAgent()
                async let other = readyTold(stage, [LabelRequest(label: "other", name: "marta.bmp")])
                let told = try await readyTold(
                    stage, ["list", "header"].map { LabelRequest(label: $0, name: "marta.bmp") })
                let path = stage.agent.cached("marta.bmp")
                #expect(told == ["list": [path], "header": [path]])
                #expect(try await other == ["other": [path]])
                #expect(sha256(ofFile: path) == sha256(bytes))
                #expect(stage.wire.passed(.down) < bytes.count * 2)
                // Whoever comes later is told at once.
                #expect(
                    try await readyTold(stage, [LabelRequest(label: "late", name: "marta.bmp")]) == ["late": [path]])
            }
        }

        @Test("two names that only Unicode calls equal are two pictures with a label each")
        func lookalikes() async throws {
            try await Stage.run { stage in
                let pictures = [
                    ("caf\u{E9}.png", try TestPictures.picture("marta.bmp")),
                    ("cafe\u{301}.png", try TestPictures.picture("jonas.webp")),
                ]
                for (name, bytes) in pictures { try stage.server.place(bytes, name, for: stage.ada) }
                try await stage.startAgent()
                // The labels themselves are told apart by their bytes, too.
                let told = try await within(patience, "both labels") {
                    var told: [[UInt8]: String] = [:]
                    let requests = pictures.map { LabelRequest(label: $0.0, name: $0.0) }
                    for try await reply in try await stage.agent.client.register(requests) {
                        for state in reply.labels where state.avatar.state == .ready {
                            told[Array(state.label.utf8)] = state.avatar.path
                        }
                    }
                    return told
                }
                #expect(told.count == 2)
                for (name, bytes) in pictures {
                    let path = try #require(told[Array(name.utf8)])
                    #expect(path.utf8.elementsEqual(stage.agent.cached(name).utf8))
                    #expect(sha256(ofFile: path) == sha256(bytes))
                }
            }
        }

        @Test("a client written with PyPI's varlink hears of both its labels, once")
        func python() async throws {
            try await Stage.run { stage in
                let bytes = try TestPictures.picture("jonas.webp")
                try stage.server.place(bytes, "jonas.webp", for: stage.ada)
                try await stage.startAgent()
                let packages = try await Program.run(Program.packageFolder + "/scripts/python-env", in: stage.folder)
                try #require(packages.status == 0, "\(packages.errors)")
                let script = Program.packageFolder + "/Tests/Integration/Python/register.py"
                let result = try await Program.run(
                    "/usr/bin/env", ["python3", script, stage.agent.client.socketPath, "jonas.webp"],
                    environment: ["PYTHONPATH": packages.lines.last ?? ""], in: stage.folder)
                #expect(result.status == 0, "\(result.errors)")
                let path = stage.agent.cached("jonas.webp")
                let ready = result.lines.flatMap { line in
                    (try? JSONDecoder().decode([[String?]].self, from: Data(line.utf8))) ?? []
                }.filter { $0[1] == "ready" }
                #expect(
                    ready.sorted { ($0[0] ?? "") < ($1[0] ?? "") } == [
                        ["header", "ready", path], ["list", "ready", path],
                    ])
                #expect(sha256(ofFile: path) == sha256(bytes))
            }
        }

        @Test("a picture with a live label that somebody deletes is fetched again, and the label is told")
        func deletedWhileShown() async throws {
            try await Stage.run { stage in
                let bytes = try TestPictures.picture("goran.jpg")
                try stage.server.place(bytes, "goran.jpg", for: stage.ada)
                try await stage.startAgent()
                let (client, path) = (stage.agent.client, stage.agent.cached("goran.jpg"))
                try await within(patience, "two times ready") {
                    var states: [AvatarState] = []
                    let labels = [LabelRequest(label: "face", name: "goran.jpg")]
                    for try await reply in try await client.register(labels, keep: true) {
                        for label in reply.labels {
                            states.append(label.avatar.state)
                            guard label.avatar.state == .ready else { continue }
                            #expect(sha256(ofFile: path) == sha256(bytes))
                            guard states.count(where: { $0 == .ready }) == 1 else { return }
                            try FileManager.default.removeItem(atPath: path)
                        }
                    }
                }
                // Nobody wants it now: this time it stays away.
                let cursor = try await stage.agent.cursor()
                try FileManager.default.removeItem(atPath: path)
                try await stage.agent.change(.removed, of: "goran.jpg", after: cursor)
                await #expect(throws: AgentError.unknownAvatar(name: "goran.jpg")) {
                    try await stage.agent.client.get("goran.jpg")
                }
            }
        }

        @Test("hanging up stops the fetch of what nobody sees; when somebody wants it again, it goes on from there")
        func hangingUp() async throws {
            try await Stage.run { stage in
                let size = 8 << 20
                let bytes = try TestPictures.padded(.jpeg, to: size)
                try stage.server.place(bytes, "big.jpg", for: stage.ada)
                try await stage.startAgent()
                let client = stage.agent.client
                let half = Occasion<Void>()
                stage.wire.strike(after: size / 2, .down) { half.happen(()) }
                do {
                    let labels = [LabelRequest(label: "face", name: "big.jpg", visibility: "hidden")]
                    var replies = try await client.register(labels, keep: true).makeAsyncIterator()
                    #expect(try await replies.next()?.labels.first?.avatar.state == .pending)
                    try await half.wait("half of the picture")
                }
                try await within(patience, "the end of the transfer") {
                    while try await client.status().downloads > 0 {}
                }
                #expect(try visibleNames(in: stage.agent.cache).isEmpty)
                let before = stage.wire.passed(.down)
                try await stage.agent.fetch(["big.jpg"])
                #expect(sha256(ofFile: stage.agent.cached("big.jpg")) == sha256(bytes))
                // The wire takes about four thirds of the bytes, of which some had come.
                #expect(stage.wire.passed(.down) - before < size)
            }
        }

        @Test("who watches from the beginning, and every label, is told all there is, each once, while it happens")
        func nothingLost() async throws {
            try await Stage.run { stage in
                let names = (0..<120).map { "p\($0).png" }
                let bytes = try TestPictures.picture("ada.png")
                for name in names { try stage.server.place(bytes, name, for: stage.ada) }
                try await stage.startAgent()
                let client = stage.agent.client
                async let first = readyTold(stage, names.map { LabelRequest(label: $0, name: $0) })
                async let cursors = within(patience, "every picture in the log") {
                    var cursors: [Int] = []
                    for try await reply in try await client.watch(since: 0) {
                        cursors += reply.changes.map(\.cursor)
                        if cursors.count >= names.count { break }
                    }
                    return cursors
                }
                let once = Dictionary(uniqueKeysWithValues: names.map { ($0, 1) })
                // A second subscriber comes while pictures do.
                try await stage.agent.change(.ready, of: names[names.count / 2])
                let second = try await readyTold(stage, names.map { LabelRequest(label: $0, name: $0) })
                #expect(try await first.mapValues(\.count) == once)
                #expect(second.mapValues(\.count) == once)
                #expect(try await cursors == Array(1...names.count))
            }
        }
    }
}
