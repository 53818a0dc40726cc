internal import Glibc
internal import NIOCore
internal import NIOPosix

/// Subscribers of one picture, and the client that makes the server tell them.
struct Crowd {
    private let channels: [any Channel]
    private let control: any Channel
    private let latencies: NIOLoopBound<Latencies>
    private let eventLoop: any EventLoop

    /// Connects `count` subscribers and waits until all have their snapshot.
    static func join(_ count: Int, path: String, on eventLoop: any EventLoop) async throws -> Crowd {
        let latencies = try await eventLoop.submit { NIOLoopBound(Latencies(), eventLoop: eventLoop) }.get()
        let register =
            #"{"method":"org.avatard.Agent.Register","parameters":{"labels":[{"label":"peer","name":"a.png"}],"#
            + #""keep":true},"more":true}"# + "\0"
        var channels: [any Channel] = []
        for _ in 0..<count {
            let channel = try await connect(path: path, on: eventLoop) { SubscriberClient(latencies.value) }
            try await channel.writeAndFlush(ByteBuffer(string: register))
            channels.append(channel)
        }
        let joined = eventLoop.makePromise(of: Void.self)
        eventLoop.execute { latencies.value.awaitJoined(count, joined) }
        try await joined.futureResult.get()
        let control = try await ClientBootstrap(group: eventLoop).connect(unixDomainSocketPath: path).get()
        return Crowd(channels: channels, control: control, latencies: latencies, eventLoop: eventLoop)
    }

    /// Connects one. A full queue of connections (somaxconn may be small) is tried again.
    static func connect(
        path: String, on eventLoop: any EventLoop, _ handler: @escaping @Sendable () -> any ChannelHandler
    ) async throws -> any Channel {
        while true {
            do {
                return try await ClientBootstrap(group: eventLoop)
                    .channelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(handler())
                        }
                    }
                    .connect(unixDomainSocketPath: path).get()
            } catch let error as IOError where error.errnoCode == EAGAIN {
                try await Task.sleep(for: .milliseconds(1))
            }
        }
    }

    /// One event; how many nanoseconds it took to each subscriber.
    func publish() async throws -> [Int] {
        let round = eventLoop.makePromise(of: [Int].self)
        let (latencies, count, control) = (latencies, channels.count, control)
        eventLoop.execute {
            latencies.value.begin(count, round)
            control.writeAndFlush(
                ByteBuffer(string: #"{"method":"org.avatard.Agent.Pause"}"# + "\0"), promise: nil)
        }
        return try await round.futureResult.get()
    }

    /// Everybody hangs up.
    func leave() async throws {
        for channel in channels + [control] { try? await channel.close() }
    }
}
