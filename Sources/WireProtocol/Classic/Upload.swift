import NIOCore

/// One chunk of a file on its way up: the body of 1003 and 1031.
package struct UploadChunk: Hashable, Sendable {
    /// MD5 of the whole file in hexadecimal, as the client says.
    package var md5: String
    /// The file's name; not checked here.
    package var name: String
    /// Which chunk this is, counted from 1.
    package var seq: Int64
    /// Bytes of the whole file.
    package var totalSize: Int64
    /// Bytes of the file up to and with this chunk.
    package var transSize: Int64
    /// Whether this is the final chunk.
    package var last: Bool
    /// How many chunks the file has; some clients do not say.
    package var lastSeq: Int64?
    /// The chunk's bytes, decoded.
    package var data: [UInt8]
    /// Whose file it is. The seed's first clients sent none with 1003: 0 then.
    package var uid: Int64
    /// Shown with 1031's first chunk.
    package var token: String?
    /// Whether the client says that it can read several replies at once.
    package var isPipelined: Bool

    package init(
        md5: String, name: String, seq: Int64, totalSize: Int64, transSize: Int64, last: Bool, lastSeq: Int64? = nil,
        data: [UInt8], uid: Int64, token: String? = nil, isPipelined: Bool = false
    ) {
        self.isPipelined = isPipelined
        self.md5 = md5
        self.name = name
        self.seq = seq
        self.totalSize = totalSize
        self.transSize = transSize
        self.last = last
        self.lastSeq = lastSeq
        self.data = data
        self.uid = uid
        self.token = token
    }

    init(_ bytes: Span<UInt8>, isHead: Bool) throws(ClassicDecodeError) {
        let fields = try FlatObject(bytes)
        md5 = try require(fields.text(.md5, bytes), .md5)
        name = try require(fields.text(.name, bytes), .name)
        seq = try require(fields.count(.seq, bytes), .seq)
        totalSize = try require(fields.count(.totalSize, bytes), .totalSize)
        transSize = try require(fields.count(.transSize, bytes), .transSize)
        last = try require(fields.flag(.last, bytes), .last)
        lastSeq = try fields.count(.lastSeq, bytes)
        uid = try isHead ? require(fields.integer(.uid, bytes), .uid) : fields.integer(.uid, bytes) ?? 0
        token = try fields.text(.token, bytes)
        isPipelined = try fields.flag(.pipelined, bytes) ?? false
        data = try require(fields.data(.data, bytes), .data)
    }

    func encode(_ id: UInt16, into buffer: inout ByteBuffer) {
        Frame.write(id, into: &buffer, expecting: Base64.encodedCount(data.count) + 320) { writer in
            writer.base64(.data, data)
            writer.number(.last, last ? 1 : 0)
            writer.number(.lastSeq, lastSeq)
            writer.text(.md5, md5)
            writer.text(.name, name)
            writer.number(.pipelined, isPipelined ? 1 : nil)
            writer.number(.seq, seq)
            writer.text(.token, token)
            writer.number(.totalSize, totalSize)
            writer.number(.transSize, transSize)
            writer.number(.uid, uid)
        }
    }
}

/// The answer to a chunk: the body of 1004 and 1032. An error's may hold nothing but `error`.
package struct UploadChunkReply: Hashable, Sendable {
    /// 0, or a ``AvatarCore/ClassicError``'s code.
    package var error: Int
    /// As the chunk had it; so are all that follow.
    package var md5: String?
    package var name: String?
    package var seq: Int64?
    package var totalSize: Int64?
    package var transSize: Int64?
    package var last: Bool?
    /// 1032 echoes it, 1004 does not.
    package var lastSeq: Int64?
    package var uid: Int64?
    /// Why the chunk was refused, where our server can tell more than the code does: an ``AvatarCore/UploadRefusalReason``.
    package var reason: String?
    /// Whether the server sets icons in the order in which the last chunks of one connection come, as our server says with 1032.
    package var inOrder: Bool?
    /// The largest chunk of an upload, in bytes, that the server takes, as our server says with 1032.
    package var chunkBytes: Int64?

    package init(
        error: Int, md5: String? = nil, name: String? = nil, seq: Int64? = nil, totalSize: Int64? = nil,
        transSize: Int64? = nil, last: Bool? = nil, lastSeq: Int64? = nil, uid: Int64? = nil, reason: String? = nil,
        inOrder: Bool? = nil, chunkBytes: Int64? = nil
    ) {
        self.chunkBytes = chunkBytes
        self.reason = reason
        self.inOrder = inOrder
        self.error = error
        self.md5 = md5
        self.name = name
        self.seq = seq
        self.totalSize = totalSize
        self.transSize = transSize
        self.last = last
        self.lastSeq = lastSeq
        self.uid = uid
    }

    init(_ bytes: Span<UInt8>) throws(ClassicDecodeError) {
        let fields = try FlatObject(bytes)
        error = try fields.errorCode(bytes)
        md5 = try fields.text(.md5, bytes)
        name = try fields.text(.name, bytes)
        seq = try fields.count(.seq, bytes)
        totalSize = try fields.count(.totalSize, bytes)
        transSize = try fields.count(.transSize, bytes)
        last = try fields.flag(.last, bytes)
        lastSeq = try fields.count(.lastSeq, bytes)
        uid = try fields.integer(.uid, bytes)
        reason = try fields.text(.reason, bytes)
        inOrder = try fields.flag(.inOrder, bytes)
        chunkBytes = try fields.count(.chunkBytes, bytes)
    }

    func encode(_ id: UInt16, into buffer: inout ByteBuffer) {
        Frame.write(id, into: &buffer, expecting: 256) { writer in
            writer.number(.chunkBytes, chunkBytes)
            writer.number(.error, Int64(error))
            writer.number(.inOrder, inOrder.map { $0 ? 1 : 0 })
            writer.number(.last, last.map { $0 ? 1 : 0 })
            writer.number(.lastSeq, lastSeq)
            writer.text(.md5, md5)
            writer.text(.name, name)
            writer.text(.reason, reason)
            writer.number(.seq, seq)
            writer.number(.totalSize, totalSize)
            writer.number(.transSize, transSize)
            writer.number(.uid, uid)
        }
    }
}
