internal import AvatarCore
public import LabelBus
internal import NIOCore

public import struct LabelBus.Avatar

/// The replies to one call, as they come. A program that reads slowly holds back the agent, which gives up in the end
/// (`AgentError.lagging`); few replies wait on this side. The stream hangs up when the program ceases to read, or cancels the task that
/// reads.
///
/// It can be iterated once.
public struct AgentStream<Element: Sendable>: AsyncSequence, Sendable {
    private let frames: AgentConnection.Frames
    private let decode: @Sendable (JSON) throws -> Element

    init(frames: AgentConnection.Frames, decode: @escaping @Sendable (JSON) throws -> Element) {
        self.frames = frames
        self.decode = decode
    }

    /// Reads the replies.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(frames: frames.makeAsyncIterator(), decode: decode)
    }

    /// Reads the replies one after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private let frames: AgentConnection.Frames.AsyncIterator
        private let decode: @Sendable (JSON) throws -> Element

        init(
            frames: AgentConnection.Frames.AsyncIterator, decode: @escaping @Sendable (JSON) throws -> Element
        ) {
            self.frames = frames
            self.decode = decode
        }

        /// The next reply, or nil after the last.
        public mutating func next() async throws -> Element? {
            // NIO's iterator is one reference to a class that any thread may use; it only does not say so.
            nonisolated(unsafe) let frames = frames
            return try await frames.next().map(decode)
        }
    }
}

/// All avatars, a page at a time.
public struct AvatarPages: AsyncSequence, Sendable {
    /// One avatar.
    public typealias Element = Avatar

    let client: AgentClient
    let state: String?

    /// Reads from the first page.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(client: client, state: state) }

    /// Reads page after page.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private let client: AgentClient
        private let state: String?
        private var page: [Avatar] = []
        private var index = 0
        /// The page that follows, asked for while the program still uses the one before it; nil behind the last.
        private var following: Task<ListReply, any Error>?

        init(client: AgentClient, state: String?) {
            self.client = client
            self.state = state
            following = Self.ask(client, state, after: nil)
        }

        /// The next avatar, or nil after the last.
        public mutating func next() async throws -> Avatar? {
            while index == page.count {
                guard let asked = following else { return nil }
                let reply = try await withTaskCancellationHandler {
                    try await asked.value
                } onCancel: {
                    asked.cancel()
                }
                page = reply.avatars
                index = 0
                following = reply.next.map { Self.ask(client, state, after: $0) }
            }
            defer { index += 1 }
            return page[index]
        }

        private static func ask(_ client: AgentClient, _ state: String?, after: String?) -> Task<ListReply, any Error> {
            Task { try await client.listPage(state: state, after: after) }
        }
    }
}
