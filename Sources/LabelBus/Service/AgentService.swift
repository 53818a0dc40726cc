/// What stands behind the bus: the agent.
///
/// The bus checks framing, headers, shapes and sizes, and answers `org.varlink.service` itself; everything with a meaning
/// is the service's.
package protocol AgentService: Sendable {
    /// One call. Called on the connection's event loop: it must return at once, and answer through `reply`, from any
    /// thread, now or later.
    ///
    /// Each call has to be ended: by `send(…, continues: false)`, by `fail`, or by the client's hanging up. The next call
    /// of the same client waits for that. At most one of `more` and `oneway` is true. Without `more` the first reply is the
    /// last. Replies to a `oneway` call are thrown away; the last of them ends the call all the same.
    func handle(_ call: AgentCall, more: Bool, oneway: Bool, reply: ReplyStream)

    /// The client of that call went away, or was closed as a laggard, before the call had ended. Called exactly once for such a call,
    /// on the connection's event loop; never for a call that had ended, and never for a `oneway` call, which outlives its client.
    func hungUp(_ stream: ReplyStream.ID)
}

/// What `org.varlink.service.GetInfo` tells, but for the interfaces.
package struct ServiceInfo: Hashable, Sendable {
    package var vendor: String
    package var product: String
    package var version: String
    package var url: String

    package init(vendor: String = "avatard", product: String = "avatard", version: String, url: String = "") {
        self.vendor = vendor
        self.product = product
        self.version = version
        self.url = url
    }
}
