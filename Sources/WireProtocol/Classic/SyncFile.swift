import NIOCore

/// How far is this upload? The body of 1005.
package struct SyncFileRequest: Hashable, Sendable {
    /// MD5 of the whole file in hexadecimal.
    package var md5: String
    /// Our extension: with both, an upload of 1031 is found too (docs/protocol.md). The seed's servers skip them.
    package var uid: Int64?
    package var name: String?

    package init(md5: String, uid: Int64? = nil, name: String? = nil) {
        self.md5 = md5
        self.uid = uid
        self.name = name
    }

    init(_ bytes: Span<UInt8>) throws(ClassicDecodeError) {
        let fields = try FlatObject(bytes)
        md5 = try require(fields.text(.md5, bytes), .md5)
        uid = try fields.integer(.uid, bytes)
        name = try fields.text(.name, bytes)
    }

    func encode(into buffer: inout ByteBuffer) {
        Frame.write(MessageID.syncFileRequest, into: &buffer, expecting: 128) { writer in
            writer.text(.md5, md5)
            writer.text(.name, name)
            writer.number(.uid, uid)
        }
    }
}

/// The body of 1006: how far the upload is, or only an error.
package struct SyncFileReply: Hashable, Sendable {
    /// 0, or a ``AvatarCore/ClassicError``'s code.
    package var error: Int
    package var md5: String?
    package var name: String?
    /// The last chunk that the server holds.
    package var seq: Int64?
    package var totalSize: Int64?
    /// Bytes that the server holds.
    package var transSize: Int64?
    /// Our extension: bytes of each chunk of this upload but the last, by which `seq` counts.
    package var chunkBytes: Int64?

    package init(
        error: Int, md5: String? = nil, name: String? = nil, seq: Int64? = nil, totalSize: Int64? = nil,
        transSize: Int64? = nil, chunkBytes: Int64? = nil
    ) {
        self.chunkBytes = chunkBytes
        self.error = error
        self.md5 = md5
        self.name = name
        self.seq = seq
        self.totalSize = totalSize
        self.transSize = transSize
    }

    init(_ bytes: Span<UInt8>) throws(ClassicDecodeError) {
        let fields = try FlatObject(bytes)
        error = try fields.errorCode(bytes)
        md5 = try fields.text(.md5, bytes)
        name = try fields.text(.name, bytes)
        seq = try fields.count(.seq, bytes)
        totalSize = try fields.count(.totalSize, bytes)
        transSize = try fields.count(.transSize, bytes)
        chunkBytes = try fields.count(.chunkBytes, bytes)
    }

    func encode(into buffer: inout ByteBuffer) {
        Frame.write(MessageID.syncFileReply, into: &buffer, expecting: 192) { writer in
            writer.number(.chunkBytes, chunkBytes)
            writer.number(.error, Int64(error))
            writer.text(.md5, md5)
            writer.text(.name, name)
            writer.number(.seq, seq)
            writer.number(.totalSize, totalSize)
            writer.number(.transSize, transSize)
        }
    }
}
