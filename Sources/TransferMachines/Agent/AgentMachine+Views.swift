package import AvatarCore

// What the machine tells of itself; nothing in here changes anything.
extension AgentMachine {
    // MARK: One picture

    /// What a label of this target shows now.
    func view(of target: LabelRequest.Target) -> AvatarView {
        switch target {
        case .name(let name, let owner): return view(of: name).narrowed(to: owner)
        case .builtin(let name): return AvatarView(name: name, state: .builtin)
        case .ownerOnly(let owner) where session.login?.way == .http: return view(ofAvatarOf: owner)
        case .ownerOnly(let owner):
            return AvatarView(
                name: nil, owner: owner, state: .failed,
                reason: "\(AbsenceReason.unsupported.rawValue): the classic dialect knows pictures by name only")
        }
    }

    /// What a label shows that shows whatever a user's avatar is.
    func view(ofAvatarOf owner: UserID) -> AvatarView {
        switch subscribers.avatarName(of: owner) {
        case .some(let name?): return view(of: name).narrowed(to: owner)
        case .some(nil): return AvatarView(name: nil, owner: owner, state: .absent, reason: "the user has no avatar")
        case nil:
            let state: AvatarView.State = session.paused.contains(.down) ? .paused : .pending
            return AvatarView(name: nil, owner: owner, state: state, reason: waitingReason)
        }
    }

    /// What is known of a name now.
    package func view(of name: AvatarName) -> AvatarView {
        if let record = downloads.known.record(of: name) { return view(of: record) }
        // A crop on its way out is known to the uploads, whether somebody wants its name or not.
        if let outgoing = outgoingView(of: name) { return outgoing }
        switch downloads.known.status(of: name) {
        case nil: return AvatarView(name: name.string, state: .absent)
        case .idle, .ready: return AvatarView(name: name.string, state: .absent, reason: "not fetched")
        case .failed(let reason, let detail, let until): return AvatarView(name, reason, detail: detail, until: until)
        case .unknown, .queued, .active, .stalled, .committing:
            let state: AvatarView.State = session.paused.contains(.down) ? .paused : .pending
            var view = AvatarView(name: name.string, state: state, reason: waitingReason)
            (view.size, view.transferred) = downloads.progress(of: name)
            return view
        }
    }

    /// How far the user's own crop of this name is, until the crop lies in the cache.
    func outgoingView(of name: AvatarName) -> AvatarView? {
        guard let (crop, transferred) = uploads.pending(name) else { return nil }
        var view = AvatarView(name: name.string, owner: session.login?.uid, state: .outgoing)
        view.place = .crops
        view.size = crop.size
        view.transferred = transferred
        view.sha256 = crop.sha256
        view.reason = uploads.refusal(of: name)
        return view
    }

    /// Why nothing moves, when nothing does.
    var waitingReason: String? {
        if !storage.isFine { return cachePlace == .held ? "the disk takes no writes" : Self.cacheIsElsewhere }
        if session.login == nil { return "not logged in" }
        return session.isHeard ? nil : session.cause
    }

    // MARK: The whole

    /// What `Status` says, less what only the driver knows.
    package struct Status: Hashable, Sendable {
        package let connection: ConnectionMachine.State
        /// Whether the peer of the open connection has answered as an avatar server does.
        package let isHeard: Bool
        package let since: MonotonicTime
        package let cause: String?
        package let login: Login?
        package let icon: AvatarView?
        package let downloads: Int
        package let uploads: Int
        package let labels: Int
        /// Complete pictures in the cache.
        package let cachedFiles: Int
        /// Bytes of the complete pictures in the cache.
        package let cachedBytes: Int64
        package let paused: Set<Direction>
        package let problems: [ActivityLog.Problem]
    }

    /// How much the machine holds of what `Limits` bounds.
    package struct Load: Hashable, Sendable {
        /// Downloads that have a place, and their requests that are not answered.
        package let active: Int
        package let inFlight: Int
        /// Pictures that wait for a place, and what is kept for them.
        package let queued: Int
        package let queuePlaces: Int
        /// Names cared for, and what is kept to try them again.
        package let names: Int
        package let retries: Int
        /// Crops that wait, and what is kept for them.
        package let uploads: Int
        package let uploadPlaces: Int
        package let deferredCrops: Int
        /// Commands that wait for the disk to be well.
        package let redo: Int
        package let steps: Int
        package let problems: Int
    }

    /// What it holds now.
    package var load: Load {
        Load(
            active: downloads.active, inFlight: downloads.inFlight, queued: downloads.queued,
            queuePlaces: downloads.queuePlaces, names: downloads.known.count, retries: downloads.known.retryCount,
            uploads: uploads.count, uploadPlaces: uploads.placeCount, deferredCrops: discovery.deferredCount,
            redo: storage.redoCount, steps: activity.stepCount, problems: activity.problems.count)
    }

    /// Where the connection is.
    package var connectionState: ConnectionMachine.State { session.state }

    /// The agent's state in a nutshell.
    package var status: Status {
        Status(
            connection: session.state, isHeard: session.isHeard, since: session.since, cause: session.cause,
            login: session.login,
            icon: uploads.icon.map { view(of: $0) }, downloads: downloads.known.underWay, uploads: uploads.count,
            labels: subscribers.labelCount, cachedFiles: totals.files, cachedBytes: totals.bytes,
            paused: session.paused, problems: activity.problems)
    }
}

extension AvatarView {
    /// The same picture for somebody who wants a certain owner's: another's of that name is not it.
    func narrowed(to owner: UserID?) -> AvatarView {
        guard let owner, state == .ready, let actual = self.owner, actual != owner else { return self }
        return AvatarView(name: name?.string, owner: owner, state: .failed, reason: AbsenceReason.nameTaken.rawValue)
    }

    /// A row of the catalog of which the machine knows nothing more.
    init(_ row: CatalogRow, now: MonotonicTime) {
        if let record = row.avatar {
            self.init(record)
        } else if let negative = row.negative, negative.until > now {
            self.init(row.name, negative.reason, detail: negative.reason.rawValue, until: negative.until)
        } else {
            self.init(name: row.name.string, state: .absent, reason: "not fetched")
        }
    }

    /// A picture of which nobody here knows more than the event.
    init(_ event: AvatarEvent) {
        let state: State =
            switch event.kind {
            case .removed: .absent
            case .failed, .refused: .failed
            case .ready, .changed, .uploaded, .icon: .ready
            }
        self.init(name: event.name.string, state: state, reason: event.kind == .refused ? event.reason : nil)
    }

    /// A picture that is not to be had until then.
    init(_ name: AvatarName, _ reason: AbsenceReason, detail: String, until: MonotonicTime) {
        let text = detail == reason.rawValue ? reason.rawValue : "\(reason.rawValue): \(detail)"
        self.init(name: name.string, state: reason == .absent ? .absent : .failed, reason: text)
        retryAt = until
    }
}
