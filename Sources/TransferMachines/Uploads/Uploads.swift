internal import AvatarCore

/// The user's crops from the moment in which they were found until they lie in the cache, and which of them is the user's icon.
struct Uploads: Sendable {
    /// What the rest of the machine has to do.
    enum Action: Hashable, Sendable {
        case send(ServerRequest)
        case disk(DiskCommand)
        case log(ActivityLog.Entry)
        /// So many bytes of the crop go out.
        case sending(AvatarName, bytes: Int)
        /// The server answered for the crop, and said something sensible.
        case answered(CropID)
        /// The crop takes its name from a download.
        case takesName(AvatarName)
        /// Where the crop of this name is has changed: labels and calls are told.
        case changed(AvatarName)
        /// Calls that follow the upload end: with the reason, or with the picture as it is.
        case ended(AvatarName, failure: String?)
        /// How much this name is wanted may have changed: it is the icon now, or was.
        case iconChanged(AvatarName)
        /// The crop is on the server and not in the cache: labels get it from the server like any other picture.
        case notPlaced(AvatarName)
        /// The file is to be examined anew.
        case examine(AvatarName)
        case loginRefused(LoginRefusal)
        case stray(String)
    }

    private var queue = UploadQueue()
    /// The name of the user's own avatar, if one is known.
    private(set) var icon: AvatarName?
    /// Whether the catalog has told of the account: until then no crop is anybody's.
    private var isAccountOpen = false
    /// Crops that the server has, and that are to be copied into the cache.
    private var copies: [CropID] = []
    /// When they are copied at the latest.
    private var copyAt: MonotonicTime?
    /// Crops that could not be copied into the cache because the disk failed.
    private var unstaged: [CropID] = []
    /// Crops over which the server hung up too often. The catalog keeps them as crops that wait, so that a start or a login tries again; and
    /// so does a person who asks.
    private var setAside: [Crop] = []
    /// The last crop of the account that was uploaded: none that was closed before it may be sent any more, since it would become the icon.
    private var lastUploaded: CropID?
    /// Files that changed while their crops were sent, and are examined anew: labels still show the crops.
    private var reexamined: Set<AvatarName> = []
    /// Counts what may make the icon another one, and what it was when the server was asked which one it holds.
    private var iconChanges = 0
    private var iconChangesWhenAsked: Int?
    /// When calls were last told how far the crop at the head is.
    private var toldProgressAt: MonotonicTime?

    var count: Int { queue.count }
    /// Whether no crop waits to become the icon.
    var isSettled: Bool { queue.isSettled }
    var placeCount: Int { queue.placeCount }
    /// Whether a crop could be sent now.
    var hasWork: Bool { isAccountOpen && queue.hasWork }
    /// Whether the crop at the head was in flight when the server hung up.
    var suspect: (id: CropID, hangUps: Int)? {
        guard queue.hangUps > 0, hasWork, let id = queue.next?.id else { return nil }
        return (id, queue.hangUps)
    }
    var isQuiet: Bool { queue.isQuiet }
    var deadline: MonotonicTime { min(queue.deadline, copyAt ?? .never) }
    func isSilent(now: MonotonicTime) -> Bool { queue.isSilent(now: now) }

    /// The crop of this name that is not in the cache yet, and how much of it the server has.
    func pending(_ name: AvatarName) -> (crop: Crop, transferred: Int64)? { queue.pending(name) }

    /// Why the server does not take the crop of this name, where the crop was refused last.
    func refusal(of name: AvatarName) -> String? {
        queue.waitingCrop(of: name).flatMap { queue.refusal(of: $0) }?.detail
    }

    /// Whether the crop of this name is the last of those that wait: it becomes the icon as it is.
    func isLastWaiting(_ name: AvatarName) -> Bool { queue.last?.name == name }

    /// The server answered the greeting of a connection.
    mutating func greeted(_ head: HTTPHead) { queue.greeted(head) }

    /// Requests take this way from now on.
    mutating func take(_ way: Login.Way) { queue.take(way) }

    // MARK: The account

    /// Another user, another server, or nobody: none of the crops is theirs, and no icon. The catalog tells of their own.
    mutating func accountChanged() -> [Action] {
        isAccountOpen = false
        iconChanges += 1
        let dropped = queue.removeAll()
        let actions =
            setAsideSolved() + (icon.map { [.iconChanged($0)] } ?? [])
            + dropped.flatMap { [.notPlaced($0), .changed($0), .ended($0, failure: nil)] }
        (icon, unstaged, setAside, lastUploaded, reexamined) = (nil, [], [], nil, [])
        (copies, copyAt) = ([], nil)
        return actions
    }

    private func setAsideSolved() -> [Action] {
        setAside.map { .log(.uploadSolved($0.name)) }
    }

    /// A login of the same account: what was set aside is tried again once the catalog has told of it.
    mutating func loggedInAgain() { isAccountOpen = false }

    /// What the catalog keeps of an account; `account` is the one that is wanted now, which may be another already.
    mutating func accountOpened(_ facts: AccountFacts, account: String?) -> [Action] {
        guard facts.account == account else { return [] }
        isAccountOpen = true
        let solved = setAsideSolved()
        setAside = []
        let crops = facts.crops.filter { crop in lastUploaded.map { $0 < crop.id } ?? true }
        for crop in crops { queue.add(crop) }
        // Of one that the server has the note is on its way.
        let late = facts.crops.filter { crop in
            queue.crop(crop.id) == nil && (lastUploaded.map { crop.id < $0 } ?? false)
        }
        let names: [Action] =
            late.map { .disk(.setCropAside($0.id, reason: CropRule.superseded)) }
            + crops.flatMap { [.takesName($0.name), .changed($0.name)] } + facts.doubtful.map(Action.examine)
        guard let icon = facts.icon, icon != self.icon else { return solved + names }
        return solved + names + become(icon)
    }

    private mutating func become(_ name: AvatarName) -> [Action] {
        iconChanges += 1
        let old = icon
        icon = name
        guard let old, old != name else { return [.iconChanged(name)] }
        return [.iconChanged(old), .iconChanged(name)]
    }

    /// The server is asked which picture it holds as the icon.
    mutating func iconAsked() { iconChangesWhenAsked = iconChanges }

    /// The server holds this picture as the icon. Its answer says nothing where crops are on their way, or were meanwhile: they are later.
    mutating func iconLearned(_ name: AvatarName, of account: String) -> [Action] {
        defer { iconChangesWhenAsked = nil }
        guard isAccountOpen, isSettled, iconChangesWhenAsked == iconChanges, icon != name else { return [] }
        let note = Note(.info, "the server has another avatar of this user", name: name.string)
        return [.log(.note(note)), .disk(.noteIcon(name, account: account))] + become(name)
    }

    // MARK: Crops that come and go

    /// The examination found a crop. Of a crop that belongs to another account than the one that is wanted now the catalog tells when that
    /// account is opened again.
    mutating func found(_ crop: Crop, account: String?) -> [Action] {
        guard crop.account == account else { return [] }
        var actions = [Action.takesName(crop.name)]
        guard queue.count < Limits.Upload.queueMax else {
            return actions + [
                .log(.notUploaded(crop.name.string, reason: "more than \(Limits.Upload.queueMax) crops wait"))
            ]
        }
        if let old = queue.waitingCrop(of: crop.name), old != crop.id { actions.append(.disk(.forgetCrop(old))) }
        setAside.removeAll { $0.name == crop.name }
        reexamined.remove(crop.name)
        let waitsAlready = queue.crop(crop.id) != nil
        queue.add(crop)
        let note = Note(.info, "new crop", name: crop.name.string, detail: "\(crop.size) bytes")
        return actions + (waitsAlready ? [] : [.log(.note(note))]) + [.changed(crop.name)]
    }

    /// The file is gone, or no picture any more, before its crop was sent.
    mutating func withdrawn(_ name: AvatarName) -> [Action] {
        setAside.removeAll { $0.name == name }
        guard let id = queue.waitingCrop(of: name) else { return isKnown(name) }
        queue.withdraw(id)
        return [
            .disk(.forgetCrop(id)),
            .log(.note(Note(.info, "the crop was taken away before it was uploaded", name: name.string))),
            .notPlaced(name), .changed(name),
        ]
    }

    /// The file is no crop that is to be sent: where labels still show one of that name, they hear of it.
    mutating func isKnown(_ name: AvatarName) -> [Action] {
        reexamined.remove(name) == nil ? [] : [.notPlaced(name), .changed(name)]
    }

    /// The file of the crop is being written again, was replaced, or is gone.
    mutating func cropChanged(_ id: CropID) -> [Action] {
        guard let crop = queue.crop(id) else { return [] }
        queue.remove(id)
        queue.finished(id)
        queue.noted(id)
        reexamined.insert(crop.name)
        return [
            .log(.step(name: crop.name.string, what: "changed while it was uploaded")), .examine(crop.name),
        ] + note()
    }

    /// Has the catalog note the crops that the server has, unless it is doing that.
    private mutating func note() -> [Action] {
        let crops = queue.takeUnnoted()
        return crops.isEmpty ? [] : [.disk(.finishCrops(crops))]
    }

    // MARK: The way up

    mutating func tick(now: MonotonicTime) { queue.tick(now: now) }

    /// A person asks for what waits: pauses end, and what was set aside is tried again.
    mutating func hurry() -> [Action] {
        queue.hurry()
        let crops = setAside
        let solved = setAsideSolved()
        setAside = []
        for crop in crops { queue.add(crop.sentBefore) }
        return solved + crops.map { .changed($0.name) }
    }

    /// A connection is there.
    mutating func connected(now: MonotonicTime) { queue.connected(now: now) }

    /// Sends what can be sent now, and has read what is sent next. `alone` is the crop that has its turn alone; without it the crop
    /// at the head goes, unless it is a suspect.
    mutating func pump(alone: CropID?, now: MonotonicTime, random: inout SeededRandom) -> [Action] {
        guard isAccountOpen else { return [] }
        guard alone != nil || queue.hangUps == 0 else { return [] }
        return actions(queue.pump(now: now), now: now, random: &random)
    }

    mutating func read(_ id: CropID, at offset: Int64, bytes: [UInt8]) { queue.read(id, at: offset, bytes: bytes) }

    /// The server answered.
    mutating func replied(_ reply: ServerReply.Kind, now: MonotonicTime, random: inout SeededRandom) -> [Action] {
        actions(queue.replied(reply, now: now), now: now, random: &random)
    }

    /// Requests that are to be given up now, whether anything may be sent or not.
    mutating func takeCancelled() -> [Action] { queue.takeCancelled().map { .send($0) } }

    private mutating func actions(
        _ events: [UploadEvent], now: MonotonicTime, random: inout SeededRandom
    ) -> [Action] {
        guard !events.isEmpty else { return [] }
        var actions: [Action] = []
        for event in events {
            switch event {
            case .send(let request):
                if let crop = request.begins {
                    let step = ActivityLog.Entry.step(
                        name: crop.name.string, what: "uploading", detail: "\(crop.size) bytes")
                    actions.append(.log(step))
                }
                actions.append(.send(request))
                if let (crop, count) = request.carries { actions.append(.sending(crop.name, bytes: count)) }
            case .needs(let crop, let range): actions.append(.disk(.readCrop(crop.id, range: range)))
            case .answered(let crop): actions.append(.answered(crop.id))
            case .placed(let crop, let location): actions.append(.disk(.keepLocation(crop.id, location)))
            case .uploaded(let crop): actions += uploaded(crop)
            case .refused(let crop, let refusal): actions += refused(crop, refusal, now: now, random: &random)
            case .loginRefused(let refusal): actions.append(.loginRefused(refusal))
            case .stray(let detail): actions.append(.stray(detail))
            }
        }
        return actions
    }

    /// Whether calls are to be told how far the crop at the head is; not more often than every ``Limits/Download/progressInterval``.
    mutating func tellsProgress(now: MonotonicTime) -> Bool {
        if let toldProgressAt, now - toldProgressAt < Limits.Download.progressInterval { return false }
        toldProgressAt = now
        return true
    }

    private mutating func refused(
        _ crop: Crop, _ refusal: UploadRefusal, now: MonotonicTime, random: inout SeededRandom
    ) -> [Action] {
        guard queue.refused(crop.id, refusal, now: now, random: &random) else {
            let step = ActivityLog.Entry.step(
                name: crop.name.string, what: "upload refused", detail: refusal.detail)
            let problem = ActivityLog.Entry.notUploaded(crop.name.string, reason: refusal)
            // Whoever waits for the upload is answered: how long the trouble lasts nobody knows.
            let isTold = queue.passingRefusals == Limits.Upload.refusalsTold
            return [.log(step), .log(problem), .changed(crop.name)]
                + (isTold ? [.ended(crop.name, failure: nil)] : [])
        }
        let reason = "the server does not take it: \(refusal.detail)"
        queue.remove(crop.id)
        return [
            .disk(.setCropAside(crop.id, reason: reason)), .log(.notUploaded(crop.name.string, reason: reason)),
            .ended(crop.name, failure: reason), .notPlaced(crop.name), .changed(crop.name),
        ]
    }

    // MARK: The connection

    mutating func connectionLost() { queue.connectionLost() }

    /// The server hung up. A crop for which it owed an answer is a suspect; one over which it hung up too often while the crop was `alone`
    /// makes way for the others.
    /// `hasAnswered` says whether the server answered anything on this connection.
    mutating func hungUp(alone: Transfer?, hasAnswered: Bool, _ login: Login?) -> [Action] {
        guard let id = queue.inFlight, let crop = queue.crop(id) else { return [] }
        queue.hungUp(wasAlone: alone == .upload(id), hasAnswered: hasAnswered)
        guard queue.hangUps >= Limits.Connection.hangUpsMax else { return [] }
        queue.remove(id)
        setAside.append(crop)
        let reason = "the server hung up \(Limits.Connection.hangUpsMax) times over it"
        return [
            .log(.notUploaded(crop.name.string, reason: reason, remedy: Self.remedy(login))),
            .ended(crop.name, failure: reason),
            .notPlaced(crop.name), .changed(crop.name),
        ]
    }

    private static func remedy(_ login: Login?) -> String {
        [login?.way.remedyForHangUps, "avatarctl sync, a login or a restart tries again"]
            .compactMap(\.self).joined(separator: "; ")
    }

    // MARK: After the upload

    private mutating func uploaded(_ crop: Crop) -> [Action] {
        // Crops that were closed before this one must not become the icon after it.
        iconChanges += 1
        let overtaken = queue.uploaded(crop)
        let older = overtaken + setAside.filter { $0.id < crop.id }
        lastUploaded = crop.id
        setAside.removeAll { $0.id < crop.id }
        let late: [Action] =
            older.map { .disk(.setCropAside($0.id, reason: CropRule.superseded)) }
            + overtaken.flatMap { crop -> [Action] in
                [
                    .log(.uploadSolved(crop.name)),
                    .log(.step(name: crop.name.string, what: "not uploaded", detail: CropRule.superseded)),
                    .ended(crop.name, failure: CropRule.superseded), .notPlaced(crop.name), .changed(crop.name),
                ]
            }
        return [
            .answered(crop.id), .log(.uploadSolved(crop.name)),
            .log(.note(Note(.info, "uploaded", name: crop.name.string, detail: "\(crop.size) bytes"))),
        ] + note() + late
    }

    /// The catalog knows that the server has it: it is the user's avatar, and the next crop may go. Its copy in the cache comes last, since
    /// nothing but a download is lost with it.
    mutating func cropFinished(_ id: CropID, _ name: AvatarName, now: MonotonicTime) -> [Action] {
        queue.noted(id)
        // Uploaded for an account that is another's by now: that user's icon is in the catalog.
        guard queue.finishingCrop(id) != nil else { return note() }
        copies.append(id)
        if copyAt == nil { copyAt = now + Limits.Upload.copyDelay }
        return note() + become(name)
    }

    /// Has crops copied into the cache, many at once where others are on their way: the disk then has time for those, and syncs the copies
    /// together. `othersCome` when crops are found or sent now.
    mutating func copy(othersCome: Bool, now: MonotonicTime) -> [Action] {
        guard let copyAt else { return [] }
        guard !othersCome || copyAt <= now || copies.count >= Limits.Upload.copiesTogetherMax else { return [] }
        defer { (copies, self.copyAt) = ([], nil) }
        return copies.map { .disk(.stageCrop($0)) }
    }

    /// The catalog could not take the note.
    func cropsNotFinished(_ ids: [CropID]) -> [Action] {
        ids.compactMap { queue.finishingCrop($0) }.map { crop in
            .log(.step(name: crop.name.string, what: "uploaded, and not noted yet"))
        }
    }

    /// The name under which the crop's copy is to be committed.
    func cropStaged(_ id: CropID) -> AvatarName? { queue.finishingCrop(id)?.name }

    /// The copy waits for the disk.
    mutating func copyStalled(_ id: CropID) { if queue.finishingCrop(id) != nil { unstaged.append(id) } }

    /// The crop is on the server and stays out of the cache.
    mutating func cropNotPlaced(_ id: CropID, _ detail: String) -> [Action] {
        guard let crop = queue.finishingCrop(id) else { return [] }
        let note = Note(
            .warning, "uploaded, but not placed in the cache", name: crop.name.string, detail: detail)
        queue.finished(id)
        return [
            .log(.note(note)), .disk(.forgetCrop(id)), .notPlaced(crop.name),
        ] + ended(crop.name)
    }

    /// The crop's way ends here.
    mutating func cropPlaced(_ id: CropID, _ name: AvatarName) -> [Action] {
        queue.finished(id)
        return ended(name)
    }

    /// Whoever follows the upload is answered, unless another crop of the name is on its way behind this one.
    private func ended(_ name: AvatarName) -> [Action] { pending(name) == nil ? [.ended(name, failure: nil)] : [] }

    /// The disk is well again.
    mutating func storageIsFine() -> [Action] {
        defer { unstaged = [] }
        return unstaged.map { .disk(.stageCrop($0)) }
    }
}
