import NIOCore

/// Asks for one chunk of a file: the body of 1033.
package struct DownloadRequest: Hashable, Sendable {
    /// The file's name; not checked here.
    package var name: String
    /// Which chunk, counted from 1.
    package var seq: Int64
    package var token: String
    /// Who asks.
    package var uid: Int64
    /// Where the seed's client will write it; echoed, and nothing else.
    package var clientPath: String
    /// Later clients' `self_icon` or `other_icon`; echoed.
    package var reqType: String?
    /// Our extension: whether the client can read several replies at once. Other servers skip it.
    package var isPipelined: Bool
    /// Our extension: the size of chunk in bytes by which the client counts `seq`. Other servers skip it.
    package var chunkBytes: Int64?

    package init(
        name: String, seq: Int64, token: String, uid: Int64, clientPath: String, reqType: String? = nil,
        isPipelined: Bool = false, chunkBytes: Int64? = nil
    ) {
        self.chunkBytes = chunkBytes
        self.name = name
        self.seq = seq
        self.token = token
        self.uid = uid
        self.clientPath = clientPath
        self.reqType = reqType
        self.isPipelined = isPipelined
    }

    init(_ bytes: Span<UInt8>) throws(ClassicDecodeError) {
        let fields = try FlatObject(bytes)
        name = try require(fields.text(.name, bytes), .name)
        seq = try require(fields.count(.seq, bytes), .seq)
        token = try fields.text(.token, bytes) ?? ""
        uid = try require(fields.integer(.uid, bytes), .uid)
        clientPath = try fields.text(.clientPath, bytes) ?? ""
        reqType = try fields.text(.reqType, bytes)
        isPipelined = try fields.flag(.pipelined, bytes) ?? false
        chunkBytes = try fields.count(.chunkBytes, bytes)
    }

    func encode(into buffer: inout ByteBuffer) {
        Frame.write(MessageID.downloadRequest, into: &buffer, expecting: 256) { writer in
            writer.number(.chunkBytes, chunkBytes)
            writer.text(.clientPath, clientPath)
            writer.text(.name, name)
            writer.number(.pipelined, isPipelined ? 1 : nil)
            writer.text(.reqType, reqType)
            writer.number(.seq, seq)
            writer.text(.token, token)
            writer.number(.totalSize, 0)
            writer.number(.transSize, 0)
            writer.number(.uid, uid)
        }
    }
}

/// One chunk on its way down, or why there is none: the body of 1034.
package struct DownloadReply: Hashable, Sendable {
    /// 0, or a ``AvatarCore/ClassicError``'s code.
    package var error: Int
    package var name: String?
    /// As the request had it. Never a place to write to (docs/architecture.md, "Promises", 6).
    package var clientPath: String?
    package var seq: Int64?
    /// Bytes of the whole file; on the wire a decimal string.
    package var totalSize: Int64?
    /// Bytes of the file up to and with this chunk; on the wire a decimal string.
    package var currentSize: Int64?
    package var isLast: Bool?
    /// The chunk's bytes, decoded.
    package var data: [UInt8]?
    package var reqType: String?

    package init(
        error: Int, name: String? = nil, clientPath: String? = nil, seq: Int64? = nil, totalSize: Int64? = nil,
        currentSize: Int64? = nil, isLast: Bool? = nil, data: [UInt8]? = nil, reqType: String? = nil
    ) {
        self.error = error
        self.name = name
        self.clientPath = clientPath
        self.seq = seq
        self.totalSize = totalSize
        self.currentSize = currentSize
        self.isLast = isLast
        self.data = data
        self.reqType = reqType
    }

    init(_ bytes: Span<UInt8>) throws(ClassicDecodeError) {
        let fields = try FlatObject(bytes)
        error = try fields.errorCode(bytes)
        name = try fields.text(.name, bytes)
        clientPath = try fields.text(.clientPath, bytes)
        seq = try fields.count(.seq, bytes)
        totalSize = try fields.count(.totalSize, bytes)
        currentSize = try fields.count(.currentSize, bytes)
        isLast = try fields.flag(.isLast, bytes)
        data = try fields.data(.data, bytes)
        reqType = try fields.text(.reqType, bytes)
    }

    func encode(into buffer: inout ByteBuffer) {
        let guess = Base64.encodedCount(data?.count ?? 0) + (clientPath?.utf8.count ?? 0) + 320
        Frame.write(MessageID.downloadReply, into: &buffer, expecting: guess) { writer in
            writer.text(.clientPath, clientPath)
            writer.decimalString(.currentSize, currentSize)
            writer.base64(.data, data)
            writer.number(.error, Int64(error))
            writer.bool(.isLast, isLast)
            writer.text(.name, name)
            writer.text(.reqType, reqType)
            writer.number(.seq, seq)
            writer.decimalString(.totalSize, totalSize)
        }
    }
}
