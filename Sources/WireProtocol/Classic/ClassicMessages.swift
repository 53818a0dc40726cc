package import NIOCore

/// The body of 1001, and of 1002, which adds `error`.
package struct TestMessage: Hashable, Sendable {
    package var data: String
    /// Only in the reply.
    package var error: Int?

    package init(data: String, error: Int? = nil) {
        self.data = data
        self.error = error
    }

    init(_ bytes: Span<UInt8>) throws(ClassicDecodeError) {
        let fields = try FlatObject(bytes)
        data = try fields.text(.data, bytes) ?? ""
        error = try fields.optionalErrorCode(bytes)
    }

    func encode(_ id: UInt16, into buffer: inout ByteBuffer) {
        Frame.write(id, into: &buffer, expecting: data.utf8.count + 32) { writer in
            writer.text(.data, data)
            writer.number(.error, error.map(Int64.init))
        }
    }
}

/// What a client asks in the classic dialect.
package enum ClassicRequest: Hashable, Sendable {
    case test(TestMessage)
    case uploadFile(UploadChunk)
    case syncFile(SyncFileRequest)
    case uploadHead(UploadChunk)
    case download(DownloadRequest)

    /// The request in `frame`; nil for an id that is none of a classic request's.
    package static func decode(_ frame: Frame) throws(ClassicDecodeError) -> ClassicRequest? {
        let bytes = frame.body.readableBytesUInt8Span
        return switch frame.id {
        case MessageID.testRequest: .test(try TestMessage(bytes))
        case MessageID.uploadFileRequest: .uploadFile(try UploadChunk(bytes, isHead: false))
        case MessageID.syncFileRequest: .syncFile(try SyncFileRequest(bytes))
        case MessageID.uploadHeadRequest: .uploadHead(try UploadChunk(bytes, isHead: true))
        case MessageID.downloadRequest: .download(try DownloadRequest(bytes))
        default: nil
        }
    }

    /// Appends the whole frame, header included.
    package func encode(into buffer: inout ByteBuffer) {
        switch self {
        case .test(let message): message.encode(MessageID.testRequest, into: &buffer)
        case .uploadFile(let chunk): chunk.encode(MessageID.uploadFileRequest, into: &buffer)
        case .syncFile(let request): request.encode(into: &buffer)
        case .uploadHead(let chunk): chunk.encode(MessageID.uploadHeadRequest, into: &buffer)
        case .download(let request): request.encode(into: &buffer)
        }
    }
}

extension ClassicRequest {
    /// Which chunk of a file the request brings or asks for; 0 where it is for none.
    package var seq: Int64 {
        switch self {
        case .test, .syncFile: 0
        case .uploadFile(let chunk), .uploadHead(let chunk): chunk.seq
        case .download(let request): request.seq
        }
    }

    /// Whether the client says that it can read several replies at once: our agent does, and the seed's later clients, which are known by
    /// `req_type`, can (docs/protocol.md, "One reply at a time").
    package var isPipelined: Bool {
        switch self {
        case .download(let request): request.isPipelined || request.reqType != nil
        case .uploadHead(let chunk): chunk.isPipelined
        case .test, .uploadFile, .syncFile: false
        }
    }
}

/// What a server answers in the classic dialect.
package enum ClassicReply: Hashable, Sendable {
    case test(TestMessage)
    case uploadFile(UploadChunkReply)
    case syncFile(SyncFileReply)
    case uploadHead(UploadChunkReply)
    case download(DownloadReply)

    /// The reply in `frame`; nil for an id that is none of a classic reply's.
    package static func decode(_ frame: Frame) throws(ClassicDecodeError) -> ClassicReply? {
        let bytes = frame.body.readableBytesUInt8Span
        return switch frame.id {
        case MessageID.testReply: .test(try TestMessage(bytes))
        case MessageID.uploadFileReply: .uploadFile(try UploadChunkReply(bytes))
        case MessageID.syncFileReply: .syncFile(try SyncFileReply(bytes))
        case MessageID.uploadHeadReply: .uploadHead(try UploadChunkReply(bytes))
        case MessageID.downloadReply: .download(try DownloadReply(bytes))
        default: nil
        }
    }

    /// Appends the whole frame, header included.
    package func encode(into buffer: inout ByteBuffer) {
        switch self {
        case .test(let message): message.encode(MessageID.testReply, into: &buffer)
        case .uploadFile(let reply): reply.encode(MessageID.uploadFileReply, into: &buffer)
        case .syncFile(let reply): reply.encode(into: &buffer)
        case .uploadHead(let reply): reply.encode(MessageID.uploadHeadReply, into: &buffer)
        case .download(let reply): reply.encode(into: &buffer)
        }
    }
}

extension ClassicReply {
    /// Whether a client that waits for each reply asks for the next chunk, or sends it, once it has read this one.
    package var isFollowed: Bool {
        switch self {
        case .test, .syncFile: false
        case .uploadFile(let reply), .uploadHead(let reply): reply.error == 0 && reply.last == false
        case .download(let reply): reply.error == 0 && reply.isLast == false
        }
    }
}

/// What a message cannot do without.
func require<Value>(_ value: Value?, _ field: Field) throws(ClassicDecodeError) -> Value {
    guard let value else { throw ClassicDecodeError(.missingField, field: field) }
    return value
}

extension FlatObject {
    /// A reply's `error`, without which it is none.
    func errorCode(_ bytes: Span<UInt8>) throws(ClassicDecodeError) -> Int {
        try require(optionalErrorCode(bytes), .error)
    }

    func optionalErrorCode(_ bytes: Span<UInt8>) throws(ClassicDecodeError) -> Int? {
        try integer(.error, bytes).map { Int($0) }
    }
}
