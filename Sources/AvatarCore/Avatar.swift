/// How far a picture's bytes are proven (docs/architecture.md, "Verified").
package enum Assurance: String, Hashable, Sendable, CaseIterable {
    /// The server's SHA-256 matched.
    case digest
    /// The wire has no digest: the promised size, and a structurally complete image.
    case structural
}

/// How a label's picture is seen; what is seen is fetched first.
package enum Visibility: String, Hashable, Sendable, Comparable, CaseIterable {
    case hidden
    case near
    case visible

    package static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .hidden: 0
        case .near: 1
        case .visible: 2
        }
    }
}

/// Why a picture is not to be had, for now or for good; the negative cache keeps it with its own time to live.
package enum AbsenceReason: RawRepresentable, Hashable, Sendable {
    /// The server knows no such file (1012).
    case absent
    /// The server knows it and does not give it (1010, 1011, 1015, 1016).
    case forbidden
    /// What came was no complete image, or not what was promised.
    case corrupt
    /// The server failed in a way of its own.
    case serverError
    /// The name is there for another owner; never overwritten.
    case nameTaken
    /// Larger than this machine takes.
    case tooLarge
    /// The way to the server cannot tell this.
    case unsupported
    /// A picture of the format with this name, which is not taken (`pictures.types`).
    case unsupportedFormat(String)

    /// Whether the next answer may be another without anybody's doing.
    package var mayPass: Bool {
        switch self {
        case .corrupt, .serverError: true
        case .absent, .forbidden, .nameTaken, .tooLarge, .unsupported, .unsupportedFormat: false
        }
    }

    private static let plain: [AbsenceReason] = [
        .absent, .forbidden, .corrupt, .serverError, .nameTaken, .tooLarge, .unsupported,
    ]
    /// How the words of a format that is not taken begin; its name follows.
    package static let unsupportedFormatPrefix = "unsupported format: "

    /// The reason that the catalog, the log and the bus call so.
    package init?(rawValue: String) {
        if let reason = Self.plain.first(where: { $0.rawValue == rawValue }) {
            self = reason
        } else if rawValue.hasPrefix(Self.unsupportedFormatPrefix) {
            self = .unsupportedFormat(String(rawValue.dropFirst(Self.unsupportedFormatPrefix.count)))
        } else {
            return nil
        }
    }

    package var rawValue: String {
        // Not by `==`, which compares raw values.
        switch self {
        case .absent: "absent"
        case .forbidden: "forbidden"
        case .corrupt: "corrupt"
        case .serverError: "server-error"
        case .nameTaken: "name-taken"
        case .tooLarge: "too-large"
        case .unsupported: "unsupported"
        case .unsupportedFormat(let format): Self.unsupportedFormatPrefix + format
        }
    }
}
