import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// One folder that a chat client downloads into, that the user's crops are saved in, and that the agent keeps its cache in.
    @Suite("One shared folder")
    struct SharedFolder {
        private func run(_ body: (Stage, RunningProgram) async throws -> Void) async throws {
            try await Stage.run { stage in
                let program = try await stage.startAgent(["--upload-directory", stage.agent.cache])
                // The disk thread answers behind its first look through the folder: what it found there it would take in without an event.
                _ = try await stage.agent.cursor()
                try await body(stage, program)
            }
        }

        /// Opens, appends and closes once per chunk, as the seed's client does with its downloads.
        private func append(_ bytes: [UInt8], to path: String) throws {
            for start in stride(from: 0, to: bytes.count, by: 2048) {
                let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
                try #require(descriptor >= 0)
                let chunk = Array(bytes[start..<min(start + 2048, bytes.count)])
                #expect(Foundation.write(descriptor, chunk, chunk.count) == chunk.count)
                close(descriptor)
            }
        }

        @Test("what a chat client downloads into it, chunk by chunk, is never uploaded; a crop saved there is")
        func appendingClient() async throws {
            try await run { stage, program in
                let friends = try (0..<20).map { try TestPictures.padded(.png, to: 2049 + 700 * $0, seed: UInt8($0)) }
                for (number, bytes) in friends.enumerated() {
                    try append(bytes, to: stage.agent.cached("friend-\(number).png"))
                }
                try write(try TestPictures.picture("ada.png"), to: stage.agent.cached("me.png"))
                try await stage.agent.change(.icon, of: "me.png")
                try await stage.agent.change(.ready, of: "me.png")
                #expect(try await stage.agent.changes(.uploaded) == ["uploaded me.png"])
                #expect(try visibleNames(in: "\(stage.server.root)/\(stage.ada.uid)") == ["me.png"])
                #expect(sha256(ofFile: stage.agent.cached("me.png")) == sha256(try TestPictures.picture("ada.png")))
                #expect(try await stage.agent.client.get("me.png").path == stage.agent.cached("me.png"))
                for (number, bytes) in friends.enumerated() {
                    #expect(sha256(ofFile: stage.agent.cached("friend-\(number).png")) == sha256(bytes))
                }
                // Nor are they after a start, which sees no closes.
                _ = try await program.terminate()
                try append(friends[19], to: stage.agent.cached("while-down.png"))
                try await stage.startAgent(["--upload-directory", stage.agent.cache])
                try write(try TestPictures.picture("bruno.png"), to: stage.agent.cached("me-again.png"))
                try await stage.agent.change(.icon, of: "me-again.png")
                #expect(
                    try visibleNames(in: "\(stage.server.root)/\(stage.ada.uid)") == ["me-again.png", "me.png"])
                #expect(try await stage.agent.client.status().problems.isEmpty)
            }
        }

        @Test("what the agent itself fetches into it is not uploaded, and a person's own upload is")
        func ownWrites() async throws {
            try await run { stage, _ in
                let theirs = try TestPictures.picture("emeka.jpg")
                try stage.server.place(theirs, "theirs.jpg", for: stage.ada)
                try await stage.agent.fetch(["theirs.jpg"])
                let elsewhere = stage.folder.file("elsewhere.png")
                try write(try TestPictures.picture("chen.png"), to: elsewhere)
                let uploaded = try #require(try await stage.agent.client.upload(elsewhere).name)
                try await stage.agent.change(.icon, of: uploaded)
                #expect(try await stage.agent.changes(.uploaded) == ["uploaded \(uploaded)"])
                #expect(sha256(ofFile: stage.agent.cached("theirs.jpg")) == sha256(theirs))
            }
        }

        @Test("the user's own picture, fetched again after it was deleted, is the avatar again when it is saved again")
        func ownPictureAgain() async throws {
            try await run { stage, _ in
                let (mine, other) = (try TestPictures.picture("ada.png"), try TestPictures.picture("bruno.png"))
                try write(mine, to: stage.agent.cached("me.png"))
                try await stage.agent.change(.icon, of: "me.png")
                var cursor = try await stage.agent.change(.ready, of: "me.png").cursor
                try FileManager.default.removeItem(atPath: stage.agent.cached("me.png"))
                cursor = try await stage.agent.change(.ready, of: "me.png", after: cursor).cursor
                try write(other, to: stage.agent.cached("other.png"))
                cursor = try await stage.agent.change(.icon, of: "other.png", after: cursor).cursor
                // Into the very file that the agent wrote.
                let descriptor = open(stage.agent.cached("me.png"), O_WRONLY | O_TRUNC | O_CLOEXEC)
                #expect(Foundation.write(descriptor, mine, mine.count) == mine.count)
                close(descriptor)
                try await stage.agent.change(.icon, of: "me.png", after: cursor)
                #expect(try await stage.server.icons()[1001] == "me.png")
            }
        }

        @Test("the folder above renamed, and another made in its place: what is saved there goes up")
        func parentReplaced() async throws {
            try await run { stage, _ in
                try write(try TestPictures.picture("ada.png"), to: stage.agent.cached("before.png"))
                try await stage.agent.change(.icon, of: "before.png")
                let parent = stage.agent.home + "/data/avatard"
                try FileManager.default.moveItem(atPath: parent, toPath: parent + "-away")
                try FileManager.default.createDirectory(
                    atPath: stage.agent.cache, withIntermediateDirectories: true)
                for folder in ["crops", "cache"] { try await stage.soonLogged("a folder is watched again", folder) }
                // Behind the look through the new folder: what that finds counts as somebody else's.
                #expect(try await stage.ctl("sync").status == 0)
                try write(try TestPictures.picture("bruno.png"), to: stage.agent.cached("after.png"))
                try await stage.agent.change(.icon, of: "after.png")
            }
        }

        @Test("a name that a label waits for and the chat client completes: the label gets the file")
        func bothDownload() async throws {
            try await run { stage, _ in
                let bytes = try TestPictures.picture("goran.jpg")
                try stage.server.place(bytes, "friend.jpg", for: stage.ada)
                let path = stage.agent.cached("friend.jpg")
                try append(Array(bytes.prefix(4096)), to: path)
                let (client, rest) = (stage.agent.client, Array(bytes.dropFirst(4096)))
                try await within(patience, "the label's picture") {
                    let labels = [LabelRequest(label: "face", name: "friend.jpg")]
                    for try await reply in try await client.register(labels, keep: true) {
                        for label in reply.labels {
                            // The agent's own whole does not go over somebody else's half.
                            if label.avatar.state == .failed { try append(rest, to: path) }
                            if label.avatar.state == .ready { return }
                        }
                    }
                }
                #expect(sha256(ofFile: path) == sha256(bytes))
                #expect(try await stage.agent.changes(.uploaded) == [])
            }
        }
    }
}
