package import AvatarCore
package import TransferMachines
package import WireProtocol

/// Between what the machine means and what stands on the wire in the classic dialect.
///
/// Nothing is decided here; the simulation uses the same mapping, so that its two sides exchange real bytes.
package enum ClassicMapping {
    /// The message for a request, nil for one of another way; uid and token are the login's.
    package static func message(for request: ServerRequest, uid: UserID, token: String) -> ClassicRequest? {
        switch request {
        case .download(let name, let seq, let chunkBytes):
            // `client_path` is the name: the seed's clients get their own path back in it, we never look at it.
            return .download(
                DownloadRequest(
                    name: name.string, seq: seq, token: token, uid: uid.value, clientPath: name.string,
                    isPipelined: true, chunkBytes: chunkBytes))
        case .upload(let crop, let chunk):
            return .uploadHead(
                UploadChunk(
                    md5: crop.md5.hex, name: crop.name.string, seq: chunk.seq, totalSize: crop.size,
                    transSize: chunk.transSize, last: chunk.isLast, lastSeq: chunk.lastSeq, data: chunk.data,
                    uid: uid.value, token: chunk.showsToken ? token : nil, isPipelined: chunk.showsToken))
        case .askProgress(let crop):
            return .syncFile(SyncFileRequest(md5: crop.md5.hex, uid: uid.value, name: crop.name.string))
        case .http, .body, .cancel: return nil
        }
    }

    /// The message for a question about the server itself.
    package static func message(for question: ServerQuestion, uid: UserID, token: String) -> ClassicRequest {
        switch question {
        case .whoIsThere: .test(TestMessage(data: "avatard"))
        case .isTokenTaken:
            .download(
                DownloadRequest(
                    name: ServerQuestion.unusedName, seq: 1, token: token, uid: uid.value,
                    clientPath: ServerQuestion.unusedName, isPipelined: true))
        }
    }

    /// What a frame from the server means; nil for a message id that is nothing to the agent.
    package static func reply(from frame: Frame) -> ServerReply.Kind? {
        do throws(ClassicDecodeError) {
            guard let reply = try ClassicReply.decode(frame) else { return nil }
            return kind(of: reply)
        } catch {
            return .unreadable("a reply \(frame.id) with \(error)")
        }
    }

    private static func kind(of reply: ClassicReply) -> ServerReply.Kind {
        switch reply {
        case .test, .uploadFile: return .other
        case .uploadHead(let reply):
            return .upload(
                UploadReply(
                    error: reply.error, name: reply.name.map { ExactString($0) }, md5: reply.md5, seq: reply.seq,
                    reason: reply.reason.flatMap { UploadRefusalReason(rawValue: $0) },
                    setsIconsInOrder: reply.inOrder ?? false, chunkBytes: reply.chunkBytes))
        case .syncFile(let reply):
            guard reply.error == ClassicError.success else {
                return .progress(name: reply.name.map { ExactString($0) }, .error(reply.error))
            }
            guard let seq = reply.seq, let totalSize = reply.totalSize, let transSize = reply.transSize else {
                return .progress(name: reply.name.map { ExactString($0) }, .error(ClassicError.fileNotExists.rawValue))
            }
            return .progress(
                name: reply.name.map { ExactString($0) },
                .at(seq: seq, totalSize: totalSize, transSize: transSize, chunkBytes: reply.chunkBytes))
        case .download(let reply):
            return .download(name: reply.name, answer(reply))
        }
    }

    private static func answer(_ reply: DownloadReply) -> ClassicDownload.Reply {
        guard reply.error == ClassicError.success else { return .error(reply.error) }
        guard let seq = reply.seq, let totalSize = reply.totalSize, let currentSize = reply.currentSize,
            let isLast = reply.isLast, let data = reply.data
        else { return .garbled("a chunk without seq, sizes or data") }
        return .chunk(seq: seq, totalSize: totalSize, currentSize: currentSize, isLast: isLast, data: data)
    }
}
