internal import AvatarCore

/// What a way to the server tells of one download, in terms that every way shares: bytes at offsets, and a promise at the start.
enum DownloadEvent: Hashable, Sendable {
    /// A new part begins.
    case began(PartPlan)
    /// These bytes came.
    case received(offset: Int64, bytes: [UInt8])
    /// What came does not fit together: the download starts over at the first byte, for this many times now.
    case startedOver(times: Int)
    /// The server has the very picture that is there.
    case unchanged
    /// The picture is not to be had, for now.
    case failed(AbsenceReason, detail: String)
    /// The server does not accept who is logged in.
    case loginRefused(LoginRefusal)
}

/// What a way to the server tells of the crops on their way up.
enum UploadEvent: Hashable, Sendable {
    case send(ServerRequest)
    /// The way needs these bytes of the crop.
    case needs(Crop, Range<Int64>)
    /// The server answered for the crop.
    case answered(Crop)
    /// The server keeps what it has of the crop at this place.
    case placed(Crop, ExactString)
    /// The server has all of the crop.
    case uploaded(Crop)
    /// The server refused; the try is over, and another may follow.
    case refused(Crop, UploadRefusal)
    case loginRefused(LoginRefusal)
    /// The server answered something that nobody asked.
    case stray(String)
}
