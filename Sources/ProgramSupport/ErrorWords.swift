internal import AvatarCore
internal import Foundation
internal import Glibc
internal import NIOCore
internal import NIOPosix

/// Errors in words for a person: what the kernel, NIO and Foundation throw says which type it is, not what happened. SQLite's are told by
/// ``AvatarCore/SQLiteWords``, and this project's own errors have descriptions that are such words.
package enum ErrorWords {
    /// One clause, such as `Connection refused` or `no such host: example.org`.
    package static func text(_ error: any Error) -> String {
        switch error {
        case let error as IOError: kernel(error.errnoCode)
        case let error as NIOConnectionError: connection(error)
        case let error as SocketAddressError.UnknownHost: lookUp(error)
        case SocketAddressError.unixDomainSocketPathTooLong: "the path is too long for a socket"
        case is SocketAddressError: "the address cannot be used"
        case ChannelError.connectTimeout(let limit): "no answer in \(limit.nanoseconds / 1_000_000_000) s"
        case is ChannelError: "the connection is closed"
        case let error as POSIXError: kernel(error.code.rawValue)
        case let error as CocoaError: file(error)
        case is CancellationError: "it was stopped"
        case let error as any CustomStringConvertible: error.description
        default: "an unexpected fault, \(type(of: error)): please report it"
        }
    }

    /// The words of strerror(3).
    package static func kernel(_ code: CInt) -> String {
        strerror(code).map { String(cString: $0) } ?? "error \(code)"
    }

    /// The first address that refused says more than that no address was left.
    private static func connection(_ error: NIOConnectionError) -> String {
        if let first = error.connectionErrors.first { return text(first.error) }
        guard let unknown = error.dnsAError ?? error.dnsAAAAError else {
            return "no address is known for \(error.host)"
        }
        return text(unknown)
    }

    private static func lookUp(_ error: SocketAddressError.UnknownHost) -> String {
        switch CInt(error.errorCode) {
        case EAI_AGAIN: "the host \(error.host) cannot be looked up now: no name server answers"
        // EAI_NODATA and EAI_ADDRFAMILY, which the headers hide (gai_strerror(3)).
        case EAI_NONAME, -5, -9: "no such host: \(error.host)"
        default: "the host \(error.host) cannot be looked up: \(String(cString: gai_strerror(CInt(error.errorCode))))"
        }
    }

    private static func file(_ error: CocoaError) -> String {
        let place = error.filePath.map { "\($0): " } ?? ""
        if let cause = error.underlying as? POSIXError { return place + kernel(cause.code.rawValue) }
        return switch error.code {
        case .fileNoSuchFile, .fileReadNoSuchFile: place + kernel(ENOENT)
        case .fileReadNoPermission, .fileWriteNoPermission: place + kernel(EACCES)
        case .fileWriteOutOfSpace: place + kernel(ENOSPC)
        case .fileWriteFileExists: place + kernel(EEXIST)
        case .fileWriteVolumeReadOnly: place + kernel(EROFS)
        default: place + "the file cannot be read or written"
        }
    }
}
