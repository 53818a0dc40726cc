internal import AvatarCore

extension Login.Way {
    /// What a person can do where the server hangs up over what it is sent.
    var remedyForHangUps: String {
        switch self {
        case .classic(let chunkBytes):
            "set server.classicChunkBytes, which is \(chunkBytes), to no more than the server takes in one message"
        }
    }
}

/// The one upload on a classic connection, and the answer that may still be owed for a crop that was given up.
struct ClassicUploads: Sendable {
    private var current: (crop: Crop, transfer: ClassicUpload)?
    /// Until when the server owes an answer for a crop that was given up; nothing is sent before that answer came.
    private var staleUntil: MonotonicTime?

    /// The crop that is under way.
    var crop: Crop? { current?.crop }
    /// Bytes of it that the server acknowledged.
    var transferred: Int64 { current?.transfer.transferred ?? 0 }
    /// Whether another crop may begin.
    var isFree: Bool { current == nil && staleUntil == nil }
    /// Whether an answer is owed for the crop that is under way.
    var isInFlight: Bool { current.map { !$0.transfer.isQuiet } ?? false }
    /// Whether any answer is owed.
    var isQuiet: Bool { staleUntil == nil && !isInFlight }

    /// When ``isSilent(now:)`` may become true.
    var deadline: MonotonicTime { min(staleUntil ?? .never, current?.transfer.deadline ?? .never) }

    /// Whether the server has owed an answer for too long.
    func isSilent(now: MonotonicTime) -> Bool {
        if let staleUntil, staleUntil <= now { return true }
        return current?.transfer.isSilent(now: now) ?? false
    }

    /// Begins with a crop, in chunks of so many bytes.
    mutating func begin(_ crop: Crop, chunkBytes: Int64) {
        guard let geometry = ChunkGeometry(totalSize: crop.size, chunkSize: chunkBytes) else { return }
        current = (crop, ClassicUpload(geometry: geometry, everSent: crop.everSent))
    }

    /// Gives the crop up; an answer that is owed for it is waited for.
    mutating func abandon() {
        if let transfer = current?.transfer, !transfer.isQuiet { staleUntil = transfer.deadline }
        current = nil
    }

    /// Another server or user: what was sent counts for nothing.
    mutating func startOver() { (current, staleUntil) = (nil, nil) }

    mutating func connectionLost() {
        staleUntil = nil
        current?.transfer.connectionLost()
    }

    /// A connection is there: the upload begins, or goes on.
    mutating func goOn(now: MonotonicTime) -> [UploadEvent] {
        guard staleUntil == nil else { return [] }
        return events(current?.transfer.connected(now: now))
    }

    /// The disk has read bytes of a crop.
    mutating func read(_ id: CropID, at offset: Int64, bytes: [UInt8], now: MonotonicTime) -> [UploadEvent] {
        guard current?.crop.id == id else { return [] }
        return events(current?.transfer.read(at: offset, bytes: bytes, now: now))
    }

    /// 1032 came.
    mutating func replied(
        error code: Int, name: ExactString?, md5: String?, seq: Int64?, reason: UploadRefusalReason? = nil
    ) -> [UploadEvent] {
        guard takeStale() else { return [] }
        guard let crop = current?.crop, isName(name, of: crop), md5 == nil || md5?.lowercased() == crop.md5.hex else {
            return [.stray("an upload of \(name.map { String($0.string.prefix(80)) } ?? "nothing")")]
        }
        return [.answered(crop)] + events(current?.transfer.replied(error: code, seq: seq, reason: reason))
    }

    /// 1006 came.
    mutating func progress(name: ExactString?, _ progress: ClassicUpload.Progress, now: MonotonicTime) -> [UploadEvent]
    {
        guard takeStale() else { return [] }
        guard let crop = current?.crop else { return [.stray("the progress of nothing")] }
        // The seed keeps 1005's progress by digest alone: another name's progress is not this crop's.
        let own = isName(name, of: crop) ? progress : .error(ClassicError.fileNotExists.rawValue)
        return events(current?.transfer.progress(own, now: now))
    }

    /// Whether a reply is for the crop that is under way; the first one after a crop was given up is not.
    private mutating func takeStale() -> Bool {
        defer { staleUntil = nil }
        return staleUntil == nil
    }

    private func isName(_ name: ExactString?, of crop: Crop) -> Bool { name == nil || name == crop.name.exact }

    private func events(_ steps: [ClassicUpload.Action]?) -> [UploadEvent] {
        guard let crop = current?.crop else { return [] }
        return (steps ?? []).map { step in
            switch step {
            case .askProgress: .send(.askProgress(crop))
            case .read(let range): .needs(crop, range)
            case .send(let chunk): .send(.upload(crop, chunk))
            case .done: .uploaded(crop)
            case .tokenRefused(let error): .loginRefused(LoginRefusal(error))
            case .refused(let refusal): .refused(crop, refusal)
            }
        }
    }
}
