internal import AvatarCore

/// What a reply says of one download.
enum DownloadAnswer: Sendable {
    case of(AvatarName, [DownloadEvent])
    /// The answer to something that was given up.
    case stale
    /// The server answered something that nobody asked.
    case stray(String)
}

/// The downloads on one connection: who asks for what, and whose a reply is. One type for each way to a server.
protocol DownloadWay: Sendable {
    /// Requests that the server has not answered to the end.
    var inFlight: Int { get }

    // One download.

    /// Whether requests of the name are under way, be they of a download that was stopped.
    func isUnderWay(_ name: AvatarName) -> Bool
    /// Whether no request of the name is unanswered.
    func isQuiet(_ name: AvatarName) -> Bool
    /// Bytes that came, and the size that the server promised; nil when the name is not under way.
    func progress(of name: AvatarName) -> (transferred: Int64, totalSize: Int64?)?
    /// Whether every byte came; what is left is the disk's to do.
    func isReceived(_ name: AvatarName) -> Bool
    /// What the disk holds of the name, to go on from later.
    func part(of name: AvatarName) -> Part?
    /// Whose picture it is, where the server tells.
    func owner(of name: AvatarName) -> UserID?
    /// Begins, or goes on from `part`. `known` is the picture that is there, where it is asked for again.
    mutating func begin(_ name: AvatarName, from part: Part?, known: SHA256Digest?)
    /// Nothing more is asked of the name.
    mutating func stop(_ name: AvatarName)
    /// The name is under way no longer.
    mutating func remove(_ name: AvatarName)
    /// The disk has the bytes up to `offset`; whether that is all of the picture.
    mutating func wrote(_ name: AvatarName, through offset: Int64) -> Bool

    // All downloads.

    /// Whether another picture should begin beside `places` others.
    func takesAnother(places: Int) -> Bool
    /// Whether the server has owed an answer for too long.
    func isSilent(now: MonotonicTime) -> Bool
    /// When something is to be done for the name without a reply; where it may not ask, only the server's silence is worth waking up for.
    func deadline(of name: AvatarName, mayAsk: Bool) -> MonotonicTime
    /// The requests to send now.
    mutating func ask(_ places: [Downloads.Place], now: MonotonicTime) -> [ServerRequest]
    /// Requests that are to be given up now, whether anything may be asked or not.
    mutating func takeCancelled() -> [ServerRequest]
    /// What a reply means, and for which download. `places` are in the order in which they began.
    mutating func replied(
        _ reply: ServerReply.Kind, places: [Downloads.Place], now: MonotonicTime, random: inout SeededRandom
    ) -> DownloadAnswer
    /// The server answered the greeting of a connection.
    mutating func greeted(_ head: HTTPHead)
    /// Nothing may be asked for a while: what can be gone on with later is given up.
    mutating func pause()
    /// Nothing that was asked will be answered.
    mutating func connectionLost()
    /// Another server or user: how the one before wanted to be asked counts for nothing.
    mutating func accountChanged()
}

extension DownloadWay {
    mutating func greeted(_ head: HTTPHead) {}

    /// Whether the server owes no answer to any download.
    var isQuiet: Bool { inFlight == 0 }
}

/// The uploads on one connection, in the order in which their crops were closed. One type for each way to a server.
protocol UploadWay: Sendable {
    /// The crops that are under way.
    var crops: [Crop] { get }
    /// The crop under way that was closed first.
    var head: Crop? { get }
    /// Bytes of the crop at the head that the server acknowledged.
    var transferred: Int64 { get }
    /// Whether an answer is owed for the crop at the head.
    var isHeadInFlight: Bool { get }
    /// Whether no answer is owed.
    var isQuiet: Bool { get }
    /// When ``isSilent(now:)`` may become true, or something is to be done without a reply.
    var deadline: MonotonicTime { get }
    /// Whether the server has owed an answer for too long.
    func isSilent(now: MonotonicTime) -> Bool
    /// Whether the crop is under way.
    func contains(_ id: CropID) -> Bool
    /// Bytes of the crop of this name that the server acknowledged, and the crop; nil where it is not under way.
    func progress(of name: AvatarName) -> (crop: Crop, transferred: Int64)?

    /// Whether the crop should begin now; `alone` where none may go beside another. One that was closed before all that are under way always
    /// begins.
    func takesBeside(_ crop: Crop, alone: Bool) -> Bool
    /// The crop is under way from now on.
    mutating func begin(_ crop: Crop)
    /// The crop is under way no longer. Whether a server may have some of it.
    @discardableResult
    mutating func remove(_ id: CropID) -> Bool
    /// The crop is not under way until it begins again, from where it is now as far as the way can. Whether a server may have some of it.
    mutating func putBack(_ id: CropID) -> Bool
    /// The server answered the greeting of a connection.
    mutating func greeted(_ head: HTTPHead)
    /// Another server or user: what was sent counts for nothing.
    mutating func startOver()
    /// No answer will come.
    mutating func connectionLost()
    /// What is to be sent and read now. `newest` are the last crops that wait, at most ``Limits/HTTPWay/orderedCropsMax``: the very last is to be
    /// the icon in the end, and the one before it where the last comes to nothing.
    mutating func goOn(newest: [CropID], now: MonotonicTime) -> [UploadEvent]
    /// Requests that are to be given up now.
    mutating func takeCancelled() -> [ServerRequest]
    /// The disk has read bytes of a crop.
    mutating func read(_ id: CropID, at offset: Int64, bytes: [UInt8])
    /// The server answered.
    mutating func replied(_ reply: ServerReply.Kind, now: MonotonicTime) -> [UploadEvent]
}

extension UploadWay {
    mutating func greeted(_ head: HTTPHead) {}
}
