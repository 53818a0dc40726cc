import AvatarAgentClient
import BusTestSupport
import Foundation
import LabelBus
import NIOCore
import NIOPosix
import Testing

extension RealPrograms {
    /// `avatarctl login` says what the server said, and a stopped agent keeps nobody waiting.
    @Suite("A login that is verified, an agent that is stopped")
    struct VerifiedLogins {
        private func avatarctl(
            _ stage: Stage, _ arguments: String..., input: String = ""
        ) async throws -> ProgramResult {
            try await Program.run(
                Program.product("avatarctl"), arguments, environment: stage.agent.environment, input: input,
                in: stage.folder)
        }

        @Test("a wrong token: no success is printed, status 1; --no-verify asks nobody")
        func wrongToken() async throws {
            try await Stage.run { stage in
                try await stage.agent.start([])
                let address = "127.0.0.1:\(stage.wire.port)"
                let wrong = try await avatarctl(stage, "login", "--host", address, "--uid", "1001", input: "wrong")
                #expect(wrong.status == 1)
                #expect(wrong.output == "")
                #expect(wrong.errors.contains("refused"), "\(wrong.errors)")
                let unasked = try await avatarctl(
                    stage, "login", "--host", address, "--uid", "1001", "--no-verify", input: "wrong")
                #expect(unasked.status == 0)
                #expect(unasked.output == "user 1001 at \(address), not verified\n")
            }
        }

        @Test("nobody listens, or another program does: status 4, and status and doctor say so")
        func noServer() async throws {
            let answer = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
            let web = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(AnswersEverything(answer))
                    }
                }
                .bind(host: "127.0.0.1", port: 0).get()
            let port = web.localAddress?.port ?? 0
            try await Stage.run { stage in
                try await stage.agent.start([])
                let address = "127.0.0.1:\(port)"
                let other = try await avatarctl(stage, "login", "--host", address, "--uid", "1001", input: "token")
                #expect(other.status == 4, "\(other)")
                #expect(other.errors.contains("\(address) does not answer as an avatar server does"), "\(other.errors)")
                let status = try await stage.agent.client.status()
                #expect(status.connection != "online")
                #expect(status.problems.first?.what.contains("avatar server") == true, "\(status.problems)")
                let doctor = try await avatarctl(stage, "doctor")
                #expect(doctor.status == 1)
                #expect(doctor.output.contains("FAIL  the server takes the login: it cannot be reached"), "\(doctor)")
                try await web.close()
                let nobody = try await avatarctl(stage, "login", "--host", address, "--uid", "1001", input: "token")
                #expect(nobody.status == 4, "\(nobody)")
                #expect(nobody.errors.contains("Connection refused"), "\(nobody.errors)")
            }
        }

        @Test(
            "status says who is logged in and what is paused, and doctor what to type; a state that is none is a usage error"
        )
        func personsView() async throws {
            try await Stage.run { stage in
                try await stage.agent.start([])
                #expect(try await avatarctl(stage, "status").output.contains("nobody is logged in: avatarctl login"))
                _ = try await stage.agent.program.terminate()
                try await stage.startAgent()
                try await stage.agent.client.pause("down")
                let status = try await avatarctl(stage, "status").lines
                #expect(status.contains("user        1001"), "\(status)")
                #expect(status.contains("paused      downloads: avatarctl resume"), "\(status)")
                let doctor = try await avatarctl(stage, "doctor")
                #expect(doctor.status == 5)
                #expect(
                    doctor.lines.contains("warn  nothing is paused: downloads are; try: avatarctl resume"), "\(doctor)")
                let list = try await avatarctl(stage, "list", "--state", "redy")
                #expect(list.status == 2)
                #expect(list.errors.contains("must be one of ready, outgoing, builtin, absent"), "\(list.errors)")
            }
        }

        @Test("a stopped agent: status 3 after --timeout, with its socket and what to do")
        func stopped() async throws {
            try await Stage.run { stage in
                let program = try await stage.startAgent()
                program.signal(SIGSTOP)
                defer { program.signal(SIGCONT) }
                let result = try await avatarctl(stage, "status", "--timeout", "1")
                #expect(result.status == 3)
                #expect(result.errors.contains(stage.agent.client.socketPath), "\(result.errors)")
                #expect(result.errors.contains("systemctl --user restart avatard"), "\(result.errors)")
            }
        }

        @Test("the watchdog hears from the agent until the agent is stopped, and again when it goes on")
        func watchdog() async throws {
            try await Stage.run { stage in
                let program = try await stage.agent.start(
                    stage.ada, port: stage.wire.port, environment: ["WATCHDOG_USEC": "200000"])
                try await program.told.line(with: "WATCHDOG=1")
                program.signal(SIGSTOP)
                let count = program.told.lines.count { $0 == "WATCHDOG=1" }
                program.signal(SIGCONT)
                try await program.told.line(with: "WATCHDOG=1", occurrences: count + 1)
            }
        }
    }
}

/// Another program's server: it answers whatever it is sent with its own error, and closes.
private final class AnswersEverything: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let answer: String

    init(_ answer: String) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let context = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.value.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer))).whenComplete { _ in
            context.value.close(promise: nil)
        }
    }
}
