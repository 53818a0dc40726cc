internal import AvatarCore
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

    /// Sends a reply to `Register` whose avatars were encoded before.
    package func send(_ reply: LabelsReply, continues: Bool) {
        outbox.offer(to: id.call, continues: continues) { reply.message(continues: $0) }
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

/// An avatar that was encoded once, for the many labels that show it.
package struct EncodedAvatar: Sendable {
    fileprivate let json: [UInt8]

    /// Encodes `avatar` now.
    package init(_ avatar: Avatar) {
        var writer = JSONWriter(capacity: 512)
        writer.object { avatar.write(to: &$0) }
        json = writer.bytes
    }
}

/// One reply to `Register` as the agent sends it; ``RegisterReply`` is what a client reads.
package struct LabelsReply: Sendable {
    private let subscription: String?
    private let labels: [(label: String, avatar: EncodedAvatar)]
    private let synced: Bool?

    /// Each field as it goes over the wire.
    package init(subscription: String?, labels: [(label: String, avatar: EncodedAvatar)], synced: Bool?) {
        self.subscription = subscription
        self.labels = labels
        self.synced = synced
    }

    /// The whole message. The room for it is known, and most of it is copied.
    fileprivate func message(continues: Bool) -> ByteBuffer {
        let bytes = labels.reduce(128) { $0 + $1.label.utf8.count + $1.avatar.json.count + 32 }
        return BusMessage.reply(continues: continues, capacity: bytes) { writer in
            writer.field("subscription", subscription)
            writer.name("labels")
            writer.array { writer in
                for state in labels {
                    writer.object { writer in
                        writer.field("label", state.label)
                        writer.name("avatar")
                        writer.raw(state.avatar.json)
                    }
                }
            }
            writer.field("synced", synced)
        }
    }
}
