internal import AvatarCore
internal import CHiredis
internal import Glibc
internal import ServerRuntime
internal import TransferMachines

/// An answer of Redis.
enum RedisReply: Sendable, Equatable {
    case text(String)
    case integer(Int64)
    case list([RedisReply])
    case nothing

    var text: String? {
        if case .text(let text) = self { text } else { nil }
    }
}

/// One blocking connection to Redis. The pool sees to it that one thread at a time uses it.
@safe final class RedisConnection: @unchecked Sendable {
    private let context: UnsafeMutablePointer<redisContext>
    private let place: String

    init(_ settings: ServerSettings.Redis) throws(StoreError) {
        let wait = timeval(tv_sec: Limits.Cluster.connectSeconds, tv_usec: 0)
        let made =
            if let socket = settings.socket {
                unsafe redisConnectUnixWithTimeout(socket, wait)
            } else {
                unsafe redisConnectWithTimeout(settings.host, Int32(settings.port), wait)
            }
        place = settings.socket ?? HostPort.text(host: settings.host, port: settings.port)
        guard let made = unsafe made else { throw StoreError(.unavailable, "Redis at \(place): out of memory") }
        if unsafe made.pointee.err != 0 {
            let reason = unsafe Self.reason(made)
            unsafe redisFree(made)
            throw StoreError(.unavailable, "Redis at \(place): \(reason)")
        }
        unsafe context = unsafe made
        unsafe redisSetTimeout(context, timeval(tv_sec: Limits.Cluster.answerSeconds, tv_usec: 0))
        if let password = settings.password { _ = try command(["AUTH", password]) }
    }

    deinit { unsafe redisFree(context) }

    func command(_ words: [String]) throws(StoreError) -> RedisReply {
        try pipeline([words]).first ?? .nothing
    }

    /// Sends all commands and then reads all answers, in one round trip.
    func pipeline(_ commands: [[String]]) throws(StoreError) -> [RedisReply] {
        for words in commands { try append(words) }
        var replies: [RedisReply] = []
        var refusal: String?
        for words in commands {
            var raw: UnsafeMutableRawPointer?
            guard unsafe redisGetReply(context, &raw) == REDIS_OK, let raw = unsafe raw else {
                let reason = unsafe Self.reason(context)
                throw StoreError(.unavailable, "Redis at \(place), \(words.first ?? ""): \(reason)")
            }
            defer { unsafe freeReplyObject(raw) }
            let reply = unsafe raw.assumingMemoryBound(to: redisReply.self)
            // Reads every answer before it throws, or the next command would read the answer of this one.
            if unsafe reply.pointee.type == REDIS_REPLY_ERROR { refusal = unsafe Self.text(reply) ?? "refused" }
            replies.append(unsafe Self.read(reply))
        }
        if let refusal { throw StoreError(.unavailable, "Redis at \(place): \(ClusterWords.redis(refusal))") }
        return replies
    }

    /// From now on the connection only hears what is published there, and waits for it without an end.
    func subscribe(to channel: String) throws(StoreError) {
        _ = try command(["SUBSCRIBE", channel])
        unsafe redisSetTimeout(context, timeval(tv_sec: 0, tv_usec: 0))
        // A Redis whose machine is gone says nothing more; the kernel finds out.
        unsafe redisEnableKeepAlive(context)
    }

    /// Waits for the next message.
    func nextMessage() throws(StoreError) {
        var raw: UnsafeMutableRawPointer?
        guard unsafe redisGetReply(context, &raw) == REDIS_OK, let raw = unsafe raw else {
            throw StoreError(.unavailable, "Redis at \(place), a subscription: \(unsafe Self.reason(context))")
        }
        unsafe freeReplyObject(raw)
    }

    /// Lets a thread that waits for a message fail. May be called from another thread.
    func interrupt() { unsafe shutdown(context.pointee.fd, Int32(SHUT_RDWR)) }

    private func append(_ words: [String]) throws(StoreError) {
        let texts = words.map { Array($0.utf8) }
        let lengths = texts.map(\.count)
        let bytes = texts.flatMap { $0.map { CChar(bitPattern: $0) } }
        let result = unsafe bytes.withUnsafeBufferPointer { buffer in
            // A command has at least one byte.
            guard let start = buffer.baseAddress else { return REDIS_ERR }
            var pointers: [UnsafePointer<CChar>?] = unsafe []
            var offset = 0
            for length in lengths {
                unsafe pointers.append(start + offset)
                offset += length
            }
            return unsafe redisAppendCommandArgv(context, Int32(words.count), &pointers, lengths)
        }
        guard result == REDIS_OK else {
            let reason = unsafe Self.reason(context)
            throw StoreError(.unavailable, "Redis at \(place): \(reason)")
        }
    }

    private static func read(_ reply: UnsafeMutablePointer<redisReply>) -> RedisReply {
        switch unsafe reply.pointee.type {
        case REDIS_REPLY_STRING, REDIS_REPLY_STATUS: return unsafe .text(text(reply) ?? "")
        case REDIS_REPLY_INTEGER: return unsafe .integer(reply.pointee.integer)
        case REDIS_REPLY_ARRAY:
            var list: [RedisReply] = []
            let count = unsafe reply.pointee.elements
            for index in 0..<count {
                guard let element = unsafe reply.pointee.element[index] else { continue }
                list.append(unsafe read(element))
            }
            return .list(list)
        default: return .nothing
        }
    }

    private static func text(_ reply: UnsafeMutablePointer<redisReply>) -> String? {
        guard let start = unsafe reply.pointee.str else { return nil }
        return unsafe String(
            decoding: UnsafeRawBufferPointer(start: start, count: reply.pointee.len), as: UTF8.self)
    }

    /// The reason that hiredis has written into an array of the context.
    private static func reason(_ context: UnsafeMutablePointer<redisContext>) -> String {
        let text = unsafe withUnsafeBytes(of: context.pointee.errstr) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        return text.isEmpty ? "the connection failed" : text
    }
}
