import AvatarCore
import Foundation
import NIOCore
import PosixFiles
import WireProtocol

/// A user of the server, and where the server is.
struct Account: Sendable {
    let port: Int
    let uid: Int64
    let token: String
    /// Bytes of an upload's chunk; a download's is the server's.
    let chunkBytes: Int
}

extension Account {
    /// Every chunk of a picture, as a client that does it right cuts them.
    func chunks(of picture: Picture) throws -> [UploadChunk] {
        let bytes = try picture.read()
        let md5 = try MD5Digest(of: bytes.span.bytes).hex
        let count = max(1, (bytes.count + chunkBytes - 1) / chunkBytes)
        return (1...count).map { seq in
            let end = min(seq * chunkBytes, bytes.count)
            return UploadChunk(
                md5: md5, name: picture.name, seq: Int64(seq), totalSize: Int64(bytes.count), transSize: Int64(end),
                last: seq == count, lastSeq: Int64(count), data: Array(bytes[((seq - 1) * chunkBytes)..<end]),
                uid: uid, token: seq == 1 ? token : nil)
        }
    }

    func request(_ name: String, _ seq: Int64) -> ClassicRequest {
        .download(DownloadRequest(name: name, seq: seq, token: token, uid: uid, clientPath: "/x/\(name)"))
    }

    /// Puts a download where its user's are: one folder for each, so that every client writes its own files. Written as the peers do,
    /// and not synced (Foundation's own way of writing a file syncs it).
    func store(_ bytes: [UInt8], of picture: Picture) throws {
        let folder = "\(picture.folder)/down-\(uid)"
        mkdir(folder, 0o755)
        try Picture(folder: folder, name: picture.name, size: bytes.count).write(bytes)
    }
}

/// How a client moves pictures over one connection.
protocol Client: Sendable {
    func upload(_ pictures: [Picture]) throws
    func download(_ pictures: [Picture]) throws
}

/// One request, one reply, as the seed's client has it.
struct WaitingClient: Client {
    let account: Account

    func upload(_ pictures: [Picture]) throws {
        let conversation = try Conversation(port: account.port)
        for picture in pictures {
            for chunk in try account.chunks(of: picture) {
                conversation.write(.uploadHead(chunk))
                try conversation.flush()
                try conversation.acknowledgement()
            }
        }
    }

    func download(_ pictures: [Picture]) throws {
        let conversation = try Conversation(port: account.port)
        for picture in pictures {
            var bytes: [UInt8] = []
            bytes.reserveCapacity(picture.size)
            var seq: Int64 = 1
            while true {
                conversation.write(account.request(picture.name, seq))
                try conversation.flush()
                let reply = try conversation.chunk()
                bytes += reply.data ?? []
                if reply.isLast == true { break }
                seq += 1
            }
            try account.store(bytes, of: picture)
        }
    }
}

/// Requests are sent without waiting: eight downloads at once, the first chunk of each alone, then up to 32 of it in flight; uploads with
/// 32 chunks in flight, which only a server like ours lets a client resume.
struct WindowedClient: Client {
    let account: Account
    private let windowChunks: Int64 = 32
    private let activeMax = 8

    func upload(_ pictures: [Picture]) throws {
        let conversation = try Conversation(port: account.port)
        var inFlight = 0
        for picture in pictures {
            for chunk in try account.chunks(of: picture) {
                conversation.write(.uploadHead(chunk))
                inFlight += 1
                guard inFlight == windowChunks else { continue }
                try conversation.flush()
                // Half of the window, so that the other half keeps the server busy meanwhile.
                while inFlight > windowChunks / 2 {
                    try conversation.acknowledgement()
                    inFlight -= 1
                }
            }
        }
        try conversation.flush()
        for _ in 0..<inFlight { try conversation.acknowledgement() }
    }

    private struct Fetch {
        let picture: Picture
        var bytes: [UInt8] = []
        var chunkCount: Int64 = 1
        var asked: Int64 = 0
        var received: Int64 = 0
    }

    func download(_ pictures: [Picture]) throws {
        let conversation = try Conversation(port: account.port)
        var waiting = pictures.reversed().map { Fetch(picture: $0) }
        var active: [String: Fetch] = [:]
        while true {
            while active.count < activeMax, let next = waiting.popLast() {
                active[next.picture.name] = next
                ask(&active, next.picture.name, conversation)
            }
            if active.isEmpty { return }
            try conversation.flush()
            let reply = try conversation.chunk()
            guard let name = reply.name, var fetch = active[name], let data = reply.data else { continue }
            if fetch.received == 0, let total = reply.totalSize {
                fetch.chunkCount = (total + Int64(data.count) - 1) / Int64(data.count)
            }
            fetch.bytes += data
            fetch.received += 1
            active[name] = fetch
            if fetch.received == fetch.chunkCount {
                active[name] = nil
                try account.store(fetch.bytes, of: fetch.picture)
            } else {
                ask(&active, name, conversation)
            }
        }
    }

    private func ask(_ active: inout [String: Fetch], _ name: String, _ conversation: Conversation) {
        guard var fetch = active[name] else { return }
        while fetch.asked < fetch.chunkCount, fetch.asked - fetch.received < windowChunks {
            fetch.asked += 1
            conversation.write(account.request(name, fetch.asked))
        }
        active[name] = fetch
    }
}
