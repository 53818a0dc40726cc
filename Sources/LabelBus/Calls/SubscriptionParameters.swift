package import AvatarCore

/// What `Register` takes.
package struct RegisterParameters: Hashable, Sendable {
    /// The labels, at most ``Limits/Labels/perSubscriptionMax``.
    package var labels: [LabelRequest]
    /// Whether labels live on after their first final state.
    package var keep: Bool?
    /// Whether a silent stream sends an empty reply now and then.
    package var heartbeat: Bool?

    /// Each field as it goes over the wire.
    package init(labels: [LabelRequest], keep: Bool? = nil, heartbeat: Bool? = nil) {
        self.labels = labels
        self.keep = keep
        self.heartbeat = heartbeat
    }
}

extension RegisterParameters: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        labels = try fields.objects("labels", LabelRequest.self)
        keep = try fields.optionalBool("keep")
        heartbeat = try fields.optionalBool("heartbeat")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("labels", labels)
        writer.field("keep", keep)
        writer.field("heartbeat", heartbeat)
    }
}

/// What `Adjust` takes: changes of a running subscription.
package struct AdjustParameters: Hashable, Sendable {
    /// What `Register` answered.
    package var subscription: String
    /// Labels to add, or to change.
    package var add: [LabelRequest]?
    /// Labels to take back.
    package var remove: [String]?
    /// Labels that are seen now.
    package var visible: [String]?
    /// Labels that are not seen any more.
    package var hidden: [String]?

    /// Each field as it goes over the wire.
    package init(
        subscription: String, add: [LabelRequest]? = nil, remove: [String]? = nil, visible: [String]? = nil,
        hidden: [String]? = nil
    ) {
        self.subscription = subscription
        self.add = add
        self.remove = remove
        self.visible = visible
        self.hidden = hidden
    }
}

extension AdjustParameters: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        subscription = try fields.string("subscription")
        add = try fields.optionalObjects("add", LabelRequest.self)
        remove = try fields.optionalStrings("remove")
        visible = try fields.optionalStrings("visible")
        hidden = try fields.optionalStrings("hidden")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("subscription", subscription)
        writer.field("add", add)
        writer.field("remove", remove)
        writer.field("visible", visible)
        writer.field("hidden", hidden)
    }
}

/// What `Watch` takes.
package struct WatchParameters: Hashable, Sendable {
    /// The epoch that `since` belongs to.
    package var epoch: String?
    /// The last cursor that the client has seen.
    package var since: Int?
    /// Whether a silent stream sends an empty reply now and then.
    package var heartbeat: Bool?

    /// Each field as it goes over the wire.
    package init(epoch: String? = nil, since: Int? = nil, heartbeat: Bool? = nil) {
        self.epoch = epoch
        self.since = since
        self.heartbeat = heartbeat
    }
}

extension WatchParameters: BusObject {
    package init(from fields: inout ObjectReader) throws(FieldError) {
        epoch = try fields.optionalString("epoch")
        since = try fields.optionalInt("since")
        heartbeat = try fields.optionalBool("heartbeat")
    }

    package func write(to writer: inout JSONWriter) {
        writer.field("epoch", epoch)
        writer.field("since", since)
        writer.field("heartbeat", heartbeat)
    }
}
