internal import AvatarCore
internal import NIOCore
internal import PosixFiles
internal import TransferMachines
internal import WireProtocol

/// Another user of our server, who tries what a user may not do: begins more uploads side by side than the quota holds, and reads on
/// with a token that was replaced.
///
/// The visitor speaks to the server's machines over a connection of its own. It draws from a random stream of its own, so that the lives
/// of the agent are the same with it and without.
final class SimVisitor {
    static let uid: Int64 = 3000
    /// What the files of the visitor may have together.
    static let quotaBytes: Int64 = 1200

    private let world: World
    private let store: SimStore
    private unowned let server: SimServer
    private let fail: (String) -> Void
    private var random: SeededRandom
    private var link: SimLink?
    private var frames = FrameBytes()
    private var uploads: [String: [UploadChunk]] = [:]
    private var token = "visit-1"
    private var mayNotRead = false

    init(world: World, server: SimServer, fail: @escaping (String) -> Void) {
        self.world = world
        self.fail = fail
        store = server.store
        self.server = server
        random = world.random(53)
    }

    /// Comes some time before `end`.
    func schedule(before end: Duration) {
        if let user = UserID(Self.uid) { store.tokens[user] = token }
        world.schedule(in: random.upTo(end)) { [self] in uploadSideBySide() }
        world.schedule(in: random.upTo(end)) { [self] in readOn() }
    }

    /// Lets go of the connection, whose closures hold the visitor.
    func leave() {
        link?.ends = (SimLink.End(), SimLink.End())
        link = nil
    }

    private func connect() -> SimLink? {
        if let link, link.isOpen { return link }
        leave()
        guard server.isUp else { return nil }
        let link = SimLink(
            world: world, random: SeededRandom(seed: random.next()), delayMax: .milliseconds(3), pieces: 1,
            cutAfter: nil)
        frames = FrameBytes()
        link.ends.agent.received = { [self] bytes in
            frames.append(bytes)
            while let frame = frames.next(bodyBytesMax: Limits.Wire.replyBodyBytesMax) {
                if let reply = try? ClassicReply.decode(frame) { heard(reply) }
            }
        }
        self.link = link
        server.accept(link)
        return link
    }

    private func send(_ request: ClassicRequest) {
        var buffer = ByteBuffer()
        request.encode(into: &buffer)
        connect()?.send(buffer, from: .agent)
    }

    private func heard(_ reply: ClassicReply) {
        switch reply {
        case .uploadHead(let reply): uploaded(reply)
        case .download(let reply):
            if mayNotRead, reply.error == ClassicError.success {
                fail("a replaced token read \(reply.name ?? "") on a connection that never began it")
            }
        default: break
        }
    }

    // MARK: Uploads

    private func uploadSideBySide() {
        guard let token = UserID(Self.uid).flatMap({ store.tokens[$0] }) else { return }
        for number in 0..<5 {
            let bytes = (0..<random.pick(300...700)).map { UInt8(truncatingIfNeeded: $0 &+ number) }
            guard let md5 = try? MD5Digest(of: bytes.span.bytes) else { continue }
            let name = "visit-\(number).png"
            let size = Life.chunkBytes
            let count = (bytes.count + size - 1) / size
            var chunks = (1...count).map { seq in
                let end = min(seq * size, bytes.count)
                return UploadChunk(
                    md5: md5.hex, name: name, seq: Int64(seq), totalSize: Int64(bytes.count), transSize: Int64(end),
                    last: seq == count, lastSeq: Int64(count), data: Array(bytes[((seq - 1) * size)..<end]),
                    uid: Self.uid, token: seq == 1 ? token : nil)
            }
            let first = chunks.removeFirst()
            uploads[name] = chunks
            send(.uploadHead(first))
        }
    }

    private func uploaded(_ reply: UploadChunkReply) {
        check()
        guard reply.error == ClassicError.success, let name = reply.name, var rest = uploads[name], !rest.isEmpty
        else { return }
        let next = rest.removeFirst()
        uploads[name] = rest
        send(.uploadHead(next))
    }

    /// What the server has stored of the visitor is within the quota, whatever happens.
    private func check() {
        let stored = store.files.reduce(Int64(0)) { sum, file in
            file.key.owner?.value == Self.uid ? sum + Int64(file.value.count) : sum
        }
        if stored > Self.quotaBytes { fail("a user with a quota of \(Self.quotaBytes) has \(stored) bytes stored") }
    }

    // MARK: Downloads

    /// Begins one picture, so that the token is confirmed; then the token is replaced, and another picture is asked for from its middle.
    private func readOn() {
        guard let user = UserID(Self.uid) else { return }
        ask("friend-0.png", seq: 1)
        world.schedule(in: .seconds(2)) { [self] in
            store.tokens[user] = "visit-2"
            // By then nothing may begin with the old token either.
            world.schedule(in: Limits.Server.tokenTrust + .milliseconds(100)) { [self] in
                mayNotRead = true
                for seq in Int64(1)...3 { ask("friend-1.png", seq: seq) }
            }
        }
    }

    private func ask(_ name: String, seq: Int64) {
        send(.download(DownloadRequest(name: name, seq: seq, token: token, uid: Self.uid, clientPath: "")))
    }
}
