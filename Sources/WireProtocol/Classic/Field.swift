/// Every field of the classic dialect (docs/protocol.md, "Messages"); any other in a body is skipped.
enum Field: UInt8, CaseIterable, Sendable {
    case chunkBytes
    case clientPath
    case currentSize
    case data
    case error
    case inOrder
    case isLast
    case last
    case lastSeq
    case md5
    case name
    case pipelined
    case reason
    case reqType
    case seq
    case token
    case totalSize
    case transSize
    case uid

    /// As it stands on the wire.
    var name: StaticString {
        switch self {
        case .chunkBytes: "chunk_bytes"
        case .clientPath: "client_path"
        case .currentSize: "current_size"
        case .data: "data"
        case .error: "error"
        case .inOrder: "in_order"
        case .isLast: "is_last"
        case .last: "last"
        case .lastSeq: "last_seq"
        case .md5: "md5"
        case .name: "name"
        case .pipelined: "pipelined"
        case .reason: "reason"
        case .reqType: "req_type"
        case .seq: "seq"
        case .token: "token"
        case .totalSize: "total_size"
        case .transSize: "trans_size"
        case .uid: "uid"
        }
    }

    /// The field that `key` names, or nil.
    static func named(_ key: Span<UInt8>) -> Field? {
        switch key.count {
        case 3: first(of: .md5, .seq, .uid, matching: key)
        case 4: first(of: .data, .last, .name, matching: key)
        case 5: first(of: .error, .token, .token, matching: key)
        case 6: Field.reason.matches(key) ? .reason : nil
        case 7: Field.isLast.matches(key) ? .isLast : nil
        case 8: first(of: .inOrder, .lastSeq, .reqType, matching: key)
        case 9: Field.pipelined.matches(key) ? .pipelined : nil
        case 10: first(of: .totalSize, .transSize, .transSize, matching: key)
        case 11: first(of: .clientPath, .chunkBytes, .chunkBytes, matching: key)
        case 12: Field.currentSize.matches(key) ? .currentSize : nil
        default: nil
        }
    }

    private static func first(
        of a: Field, _ b: Field, _ c: Field, matching key: Span<UInt8>
    ) -> Field? {
        a.matches(key) ? a : b.matches(key) ? b : c.matches(key) ? c : nil
    }

    private func matches(_ key: Span<UInt8>) -> Bool {
        let own = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        guard own.count == key.count else { return false }
        for index in 0..<own.count where own[index] != key[index] { return false }
        return true
    }
}
