internal import AvatarCore
internal import LabelBus
internal import PosixFiles
internal import TransferMachines

/// Between what the machine means and what subscribers read (docs/label-bus.md).
struct BusMapping: Sendable {
    /// The cache folder's path.
    let cacheDirectory: String
    /// The upload folder's path.
    let cropsDirectory: String
    /// A picture to show until the real one is there.
    let fallback: String
    let clock: SystemClock

    // MARK: Outwards

    func avatar(_ view: AvatarView) -> LabelBus.Avatar {
        let path: String? =
            switch view.place {
            case .nowhere: nil
            case .cache: view.name.map { cacheDirectory + "/" + $0.string }
            case .crops: view.name.map { cropsDirectory + "/" + $0.string }
            }
        return LabelBus.Avatar(
            name: view.name?.string, owner: view.owner.map { Int($0.value) },
            state: AvatarState(rawValue: view.state.rawValue),
            path: path, fallback: path == nil ? fallback : nil, size: view.size.map { Int($0) },
            transferred: view.transferred.map { Int($0) }, sha256: view.sha256?.hex,
            assurance: view.assurance?.rawValue,
            generation: Int(view.generation), reason: view.reason, retryAt: view.retryAt.map(clock.rfc3339))
    }

    func step(_ step: ActivityLog.Step) -> Step {
        Step(at: clock.rfc3339(step.at), what: step.what, detail: step.detail)
    }

    func change(_ change: AvatarChange) -> Change {
        Change(
            cursor: Int(change.cursor), at: SystemClock.rfc3339(change.event.at),
            kind: ChangeKind(rawValue: change.kind.rawValue), size: change.event.size.map { Int($0) },
            reason: change.event.reason, avatar: avatar(change.avatar))
    }

    func check(_ check: FolderCheck) -> CheckReply {
        CheckReply(
            differences: check.differences.map { difference in
                Difference(
                    folder: difference.folder.rawValue, name: difference.name.string, what: difference.kind.rawValue,
                    reason: difference.reason)
            }, total: check.total)
    }

    func error(_ fault: BusFault) -> AgentError {
        switch fault {
        case .notLoggedIn: .notLoggedIn
        case .serverRefused(let code, let reason): .serverRefused(code: code, reason: reason)
        case .unknownAvatar(let name): .unknownAvatar(name: name)
        case .notAnImage(let path, let reason): .notAnImage(path: path, reason: reason)
        case .tooLarge(let path, let size, let limit): .tooLarge(path: path, size: Int(size), limit: Int(limit))
        case .tooMany(let what, let limit): .tooMany(what: what, limit: limit)
        case .unknownSubscription(let token): .unknownSubscription(subscription: token)
        case .expectedMore: .expectedMore
        case .storage(let detail): .storageFailed(reason: detail)
        case .unreachable(let reason): .serverUnreachable(reason: reason)
        }
    }

    // MARK: Inwards

    /// A call the machine decides on; `token` names a new subscription. Nil for calls that the driver answers itself.
    static func call(_ call: AgentCall, more: Bool, token: String) throws(AgentError) -> BusCall? {
        switch call {
        case .register(let parameters):
            return .register(
                try labels(parameters.labels), keep: parameters.keep ?? false, heartbeat: parameters.heartbeat ?? false,
                more: more, token: ExactString(token))
        case .adjust(let parameters):
            return .adjust(
                subscription: ExactString(parameters.subscription), add: try labels(parameters.add ?? []),
                remove: exact(parameters.remove), visible: exact(parameters.visible), hidden: exact(parameters.hidden))
        case .watch(let parameters):
            return .watch(
                epoch: parameters.epoch, since: parameters.since.map { Int64($0) },
                heartbeat: parameters.heartbeat ?? false, more: more)
        case .get(let parameters):
            return .get(try target(name: parameters.name, owner: parameters.owner))
        case .list(let parameters):
            return .list(
                state: try parameters.state.map { text throws(AgentError) in
                    guard let state = AvatarView.State(rawValue: text) else {
                        throw .invalidParameter(parameter: "state")
                    }
                    return state
                },
                after: try parameters.after.map(name), limit: try pageSize(parameters.limit))
        case .fetch(let parameters):
            return .fetch(
                try parameters.names.filter { !BuiltinHead.matches($0) }.map(name),
                visibility: try visibility(parameters.visibility), again: parameters.again ?? false, more: more)
        case .upload(let parameters):
            guard parameters.path.utf8.first == UInt8(ascii: "/") else { throw .invalidParameter(parameter: "path") }
            return .upload(path: parameters.path, more: more)
        case .forget(let parameters): return .forget(try name(parameters.name))
        case .dismiss(let parameters): return .dismiss(try name(parameters.name))
        case .pause(let parameters): return .pause(try direction(parameters.direction))
        case .resume(let parameters): return .resume(try direction(parameters.direction))
        case .explain(let parameters): return .explain(try target(name: parameters.name, owner: nil))
        case .check(let parameters): return .check(look: parameters.look ?? false)
        case .verify: return .verify
        case .login, .logout, .status: return nil
        }
    }

    private static func exact(_ texts: [String]?) -> [ExactString] { (texts ?? []).map { ExactString($0) } }

    private static func labels(
        _ requests: [LabelBus.LabelRequest]
    ) throws(AgentError) -> [TransferMachines.LabelRequest] {
        try requests.map { request throws(AgentError) in
            TransferMachines.LabelRequest(
                label: ExactString(request.label), target: try target(name: request.name, owner: request.owner),
                visibility: try visibility(request.visibility))
        }
    }

    private static func target(
        name text: String?, owner number: Int?
    ) throws(AgentError) -> TransferMachines.LabelRequest.Target {
        let owner = try number.map { number throws(AgentError) in
            guard let owner = UserID(Int64(number)) else { throw .invalidParameter(parameter: "owner") }
            return owner
        }
        switch (text, owner) {
        case (let text?, _) where BuiltinHead.matches(text): return .builtin(text)
        case (let text?, let owner): return .name(try name(text), owner: owner)
        case (nil, let owner?): return .ownerOnly(owner)
        case (nil, nil): throw .invalidParameter(parameter: "name")
        }
    }

    static func name(_ text: String) throws(AgentError) -> AvatarName {
        do {
            return try AvatarName(text)
        } catch {
            throw .invalidName(name: String(text.prefix(Limits.Name.bytesMax)), reason: error.code.description)
        }
    }

    private static func visibility(_ text: String?) throws(AgentError) -> Visibility {
        guard let text else { return .visible }
        guard let visibility = Visibility(rawValue: text) else { throw .invalidParameter(parameter: "visibility") }
        return visibility
    }

    private static func direction(_ text: String?) throws(AgentError) -> Direction? {
        guard let text else { return nil }
        guard let direction = Direction(rawValue: text) else { throw .invalidParameter(parameter: "direction") }
        return direction
    }

    private static func pageSize(_ limit: Int?) throws(AgentError) -> Int {
        guard let limit else { return Limits.Labels.perReplyMax }
        guard limit > 0 else { throw .invalidParameter(parameter: "limit") }
        return min(limit, Limits.Labels.perReplyMax)
    }
}
