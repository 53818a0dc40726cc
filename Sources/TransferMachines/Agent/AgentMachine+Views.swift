package import AvatarCore

extension AgentMachine {
    /// What a label of this target shows now.
    func view(of target: LabelRequest.Target) -> AvatarView {
        switch target {
        case .name(let name, let owner): return view(of: name, owner: owner)
        case .builtin(let name): return AvatarView(name: name, state: .builtin)
        case .ownerOnly(let owner):
            return AvatarView(
                name: nil, owner: owner, state: .failed,
                reason: "\(AbsenceReason.unsupported.rawValue): the classic dialect knows pictures by name only")
        }
    }

    /// What is known of a name now, for somebody who may want a certain owner's.
    package func view(of name: AvatarName, owner: UserID?) -> AvatarView {
        let entry = entries[name]
        if let record = entry?.record { return Self.narrowed(AvatarView(record), to: owner) }
        // A crop on its way out is known to the line of uploads, whether somebody wants its name or not.
        if let outgoing = outgoingView(of: name) { return outgoing }
        guard let entry else { return AvatarView(name: name.string, owner: owner, state: .absent) }
        switch entry.status {
        case .idle, .ready:
            return AvatarView(name: name.string, owner: owner, state: .absent, reason: "not fetched")
        case .unknown, .queued, .active, .stalled, .committing:
            var view = AvatarView(
                name: name.string, owner: owner, state: paused.contains(.down) ? .paused : .pending,
                reason: waitingReason)
            view.size = downloads[name]?.totalSize ?? entry.part?.geometry.totalSize
            view.transferred = downloads[name]?.transferred ?? entry.part?.held
            return view
        case .failed(let reason, let detail, let until):
            return Self.failedView(name, owner, reason, detail: detail, until: until)
        }
    }

    /// How far the user's own crop of this name is, until it is uploaded.
    func outgoingView(of name: AvatarName) -> AvatarView? {
        guard let (crop, transferred) = uploads.pending(name) else { return nil }
        var view = AvatarView(name: name.string, owner: login?.uid, state: .outgoing)
        view.place = .crops
        view.size = crop.size
        view.transferred = transferred
        view.sha256 = crop.sha256
        return view
    }

    /// The same picture for somebody who wants a certain owner's: another's of that name is not it.
    static func narrowed(_ avatar: AvatarView, to owner: UserID?) -> AvatarView {
        guard avatar.state == .ready, let owner, let actual = avatar.owner, actual != owner else { return avatar }
        return AvatarView(
            name: avatar.name?.string, owner: owner, state: .failed, reason: AbsenceReason.nameTaken.rawValue)
    }

    /// Why nothing moves, when nothing does.
    var waitingReason: String? {
        if !storage.isFine { return "the disk takes no writes" }
        if login == nil { return "not logged in" }
        return connection.online == nil ? connection.cause : nil
    }

    /// A row of the catalog of which the machine knows nothing more.
    static func view(of row: CatalogRow, now: MonotonicTime) -> AvatarView {
        if let record = row.avatar { return AvatarView(record) }
        if let negative = row.negative, negative.until > now {
            return failedView(row.name, nil, negative.reason, detail: negative.reason.rawValue, until: negative.until)
        }
        return AvatarView(name: row.name.string, state: .absent, reason: "not fetched")
    }

    private static func failedView(
        _ name: AvatarName, _ owner: UserID?, _ reason: AbsenceReason, detail: String, until: MonotonicTime
    ) -> AvatarView {
        let text = detail == reason.rawValue ? reason.rawValue : "\(reason.rawValue): \(detail)"
        var view = AvatarView(
            name: name.string, owner: owner, state: reason == .absent ? .absent : .failed, reason: text)
        view.retryAt = until
        return view
    }

    /// What `Status` says, less what only the driver knows.
    package struct Status: Hashable, Sendable {
        package let connection: ConnectionMachine.State
        package let since: MonotonicTime
        package let cause: String?
        package let login: Login?
        package let icon: AvatarView?
        package let downloads: Int
        package let uploads: Int
        package let labels: Int
        package let paused: Set<Direction>
        package let problems: [Story.Problem]
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
        package let steps: Int
        package let problems: Int
    }

    /// What it holds now.
    package var load: Load {
        Load(
            active: active.count, inFlight: active.reduce(0) { $0 + (downloads[$1]?.inFlight ?? 0) },
            queued: queue.count, queuePlaces: queue.entryCount, names: entries.count, retries: retryCount,
            uploads: uploads.count, uploadPlaces: uploads.orderCount, deferredCrops: deferredCrops.count,
            steps: story.stepCount, problems: story.problems.count)
    }

    /// Where the connection is.
    package var connectionState: ConnectionMachine.State { connection.state }

    /// The agent's state in a nutshell.
    package var status: Status {
        let downloads = entries.values.count { entry in
            switch entry.status {
            case .queued, .active, .stalled, .committing: true
            default: false
            }
        }
        return Status(
            connection: connection.state, since: connection.since, cause: connection.cause, login: login,
            icon: icon.map { view(of: $0, owner: nil) }, downloads: downloads, uploads: uploads.count,
            labels: labels.labelCount, paused: paused, problems: story.problems)
    }
}
