import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// Over HTTP the server tells who has a new avatar.
    @Suite("Changes that the server tells")
    struct Changes {
        private func picture(_ seed: UInt8) throws -> [UInt8] { try TestPictures.padded(.png, to: 6000, seed: seed) }

        /// What labels are told, one reply after the other, until `isEnough`.
        private func states(
            of stage: WebStage, _ label: LabelRequest, until isEnough: @escaping @Sendable (Avatar) async throws -> Bool
        ) async throws {
            let client = stage.agent.client
            try await within(patience, "what the label is told") {
                for try await reply in try await client.register([label], keep: true) {
                    for told in reply.labels where try await isEnough(told.avatar) { return }
                }
                throw TimedOut(what: "the label's stream ended", waited: .zero)
            }
        }

        @Test("a label that names a user alone shows whatever that user's avatar is, and changes with it")
        func ownerAlone() async throws {
            try await WebStage.run { stage in
                let (first, second) = (try picture(1), try picture(2))
                try await stage.put(first, "first.png", by: stage.bob)
                try await stage.startAgent()
                try await states(of: stage, LabelRequest(label: "bob", owner: 1002)) { avatar in
                    guard avatar.state == .ready else { return false }
                    if avatar.name == "first.png" {
                        #expect(avatar.sha256 == sha256(first))
                        try await stage.put(second, "second.png", by: stage.bob)
                        return false
                    }
                    #expect(avatar.name == "second.png" && avatar.sha256 == sha256(second))
                    return true
                }
            }
        }

        @Test("a user without an avatar gets one, and the label shows it")
        func firstAvatar() async throws {
            try await WebStage.run { stage in
                let bytes = try picture(1)
                try await stage.startAgent()
                try await states(of: stage, LabelRequest(label: "bob", owner: 1002)) { avatar in
                    if avatar.state == .absent { try await stage.put(bytes, "bob.png", by: stage.bob) }
                    return avatar.state == .ready && avatar.sha256 == sha256(bytes)
                }
            }
        }

        @Test("a picture that is replaced under its name is shown without being asked for")
        func replaced() async throws {
            try await WebStage.run { stage in
                let (first, second) = (try picture(1), try picture(2))
                try await stage.put(first, "face.png", by: stage.bob)
                try await stage.startAgent()
                let isReplaced = Occasion<Void>()
                try await states(of: stage, LabelRequest(label: "bob", name: "face.png")) { avatar in
                    guard avatar.state == .ready else { return false }
                    if avatar.sha256 == sha256(first), isReplaced.value == nil {
                        isReplaced.happen(())
                        try await stage.put(second, "face.png", by: stage.bob)
                    }
                    return avatar.sha256 == sha256(second)
                }
            }
        }

        @Test("what changed while the agent was away is told by one request, and nothing else is asked for")
        func away() async throws {
            try await WebStage.run { stage in
                let count = 20
                for user in 0..<count {
                    let added = try await stage.server.addUser(Int64(2000 + user), name: "user\(user)")
                    try await stage.put(try picture(UInt8(user)), "face-\(user).png", by: added)
                }
                try await stage.startAgent()
                let labels = (0..<count).map { LabelRequest(label: "\($0)", owner: 2000 + $0) }
                try await untilReady(stage, labels, changed: nil)
                try await stage.agent.program.log.line(with: "followed", "\(count) users")
                _ = try await stage.agent.program.terminate()
                let new = try picture(99)
                let changed = ServerProgram.User(uid: 2007, tokenFile: stage.folder.file("token-2007"))
                try await stage.put(new, "face-7.png", by: changed)
                try await stage.startAgent()
                let cursor = try await stage.agent.cursor()
                try await untilReady(stage, labels, changed: ("7", sha256(new)))
                #expect(try await stage.agent.changes(.ready, .changed, after: cursor) == ["changed face-7.png"])
            }
        }

        /// Waits until every label shows a picture, and one of them a certain one.
        private func untilReady(
            _ stage: WebStage, _ labels: [LabelRequest], changed: (label: String, sha256: String)?
        ) async throws {
            let client = stage.agent.client
            try await within(patience, "all labels ready") {
                var ready: [String: String] = [:]
                for try await reply in try await client.register(labels, keep: true) {
                    for told in reply.labels where told.avatar.state == .ready {
                        ready[told.label] = told.avatar.sha256
                    }
                    if ready.count == labels.count, changed.map({ ready[$0.label] == $0.sha256 }) ?? true { return }
                }
                throw TimedOut(what: "the labels' stream ended", waited: .zero)
            }
        }
    }
}
