internal import NIOCore

/// Where the replies to one call go. A value: copy it, keep it, use it from any thread.
///
/// Nothing here blocks or throws: what can no longer be sent (the client went, the call has ended) is dropped.
package struct ReplyStream: Sendable {
    /// One call of one connection; never used again within the process.
    package struct ID: Hashable, Sendable, Comparable, CustomStringConvertible {
        /// The connection, counted from 1 in the order of their coming.
        package let connection: UInt64
        /// The call within the connection, counted from 1.
        package let call: UInt64

        package init(connection: UInt64, call: UInt64) {
            self.connection = connection
            self.call = call
        }

        package static func < (left: Self, right: Self) -> Bool {
            (left.connection, left.call) < (right.connection, right.call)
        }

        package var description: String { "\(connection).\(call)" }
    }

    /// Which call this answers.
    package let id: ID
    private let outbox: Outbox

    init(id: ID, outbox: Outbox) {
        self.id = id
        self.outbox = outbox
    }

    /// Sends a reply. With `continues` more will follow; without, or when the client did not ask for `more`, it is the last.
    package func send(_ reply: AgentReply, continues: Bool) {
        outbox.offer(to: id.call, continues: continues) { continues in
            BusMessage.reply(continues: continues) { reply.write(to: &$0) }
        }
    }

    /// Sends a reply that was encoded before: the way to tell many streams the same.
    package func send(_ reply: EncodedReply, continues: Bool) {
        outbox.offer(to: id.call, continues: continues) { continues in continues ? reply.continued : reply.last }
    }

    /// Ends the call with an error.
    package func fail(_ error: AgentError) {
        outbox.offer(to: id.call, continues: false) { _ in BusMessage.error(error) }
    }

    /// Whether the call goes on: not ended, and its client still there. It may be over the moment after.
    package var isOpen: Bool { outbox.isActive(id.call) }
}

/// A reply encoded once, for many streams.
package struct EncodedReply: Sendable {
    let continued: ByteBuffer
    let last: ByteBuffer

    /// Encodes `reply` now.
    package init(_ reply: AgentReply) {
        continued = BusMessage.reply(continues: true) { reply.write(to: &$0) }
        last = BusMessage.reply(continues: false) { reply.write(to: &$0) }
    }
}
