import AvatarCore
import BusTestSupport
import TestPictures
import Testing

extension RealPrograms {
    /// Many uploads to a server that takes them as the seed's does.
    @Suite("The seed's server")
    struct SeedServers {
        private static let count = 1000

        @Test("a thousand uploads through cuts: each file has the right bytes, and the icons come in order")
        func throughCuts() async throws {
            try await Stage.run { stage in
                let dice = Dice()
                let server = try await SeedServer.start { number in
                    var random = Dice(seed: dice.seed &+ UInt64(number))
                    return Int.random(in: 20_000...400_000, using: &random)
                }
                try await stage.agent.start(stage.ada, port: server.port)
                let end = server.finishes("\(Self.count - 1).png")
                let pictures = try (0..<Self.count).map { number in
                    try TestPictures.padded(.png, to: 2000 + 8 * number, seed: UInt8(truncatingIfNeeded: number))
                }
                for (number, picture) in pictures.enumerated() {
                    try write(picture, to: stage.agent.crop("\(number).png"))
                }
                try await end.wait("the last upload; AVATARD_TEST_SEED=\(dice.seed)", atMost: .seconds(240))
                for (number, picture) in pictures.enumerated() where server.file("\(number).png") != picture {
                    Issue.record("\(number).png is not right; AVATARD_TEST_SEED=\(dice.seed)")
                }
                let icons = server.finished.compactMap { Int($0.dropLast(4)) }
                #expect(Set(icons).count == Self.count)
                #expect(icons == icons.sorted(), "a last chunk may come again, and never after a later one")
                #expect(server.connections > 10, "there were cuts")
                await server.close()
            }
        }
    }
}
