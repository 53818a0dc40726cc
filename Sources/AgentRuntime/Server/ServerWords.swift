internal import AsyncHTTPClient
internal import AvatarCore
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import PosixFiles

/// The server's certificate has another key than `server.pin` names.
struct PinFault: Error {
    let found: SHA256Digest?
}

/// The file of `server.caFile` holds no certificates that can be read.
struct AuthoritiesFault: Error {
    let file: String
}

extension NIOSSLCertificate {
    /// The SHA-256 of the public key as it stands in the certificate (SubjectPublicKeyInfo, RFC 5280).
    func publicKeyDigest() throws -> SHA256Digest {
        let bytes = try extractPublicKey().toSPKIBytes()
        return try SHA256Digest(of: bytes.span.bytes)
    }
}

/// What went wrong on the way to a server, in words for a person.
enum ServerWords {
    static func words(for error: any Error) -> String {
        switch error {
        case let failure as NIOConnectionError:
            if failure.connectionErrors.isEmpty, failure.dnsAError != nil || failure.dnsAAAAError != nil {
                return "the host cannot be found"
            }
            return failure.connectionErrors.first.map { words(for: $0.error) } ?? "it cannot be reached"
        case let failure as IOError: return kernelWords(failure.errnoCode)
        case is ChannelError: return "no answer in \(Limits.Connection.connectTimeout.components.seconds) seconds"
        case let fault as PinFault:
            let found = fault.found.map { " (it is \($0.hex))" } ?? ""
            return "its certificate has another public key than server.pin names\(found): "
                + "if the server has a new key, configure that"
        case let fault as AuthoritiesFault:
            return "\(fault.file) holds no certificates that can be read (server.caFile): it must be a file in PEM"
        case let failure as NIOSSLExtraError: return words(for: failure)
        case let failure as NIOSSLError: return words(for: failure)
        case let failure as HTTPClientError: return words(for: failure)
        default: return "the connection broke"
        }
    }

    private static func words(for error: NIOSSLExtraError) -> String {
        switch error {
        case .failedToValidateHostname:
            "its certificate is for another name: name the server as the certificate does"
        case .serverHostnameImpossibleToMatch: "its name cannot stand in a certificate"
        default: "the encrypted connection failed"
        }
    }

    /// Whether the handshake ended because the server's certificate is not trusted.
    static func isUntrusted(_ error: any Error) -> Bool {
        if let failure = error as? NIOConnectionError {
            return failure.connectionErrors.contains { isUntrusted($0.error) }
        }
        guard case .handshakeFailed(let cause)? = error as? NIOSSLError else { return false }
        return "\(cause)".contains("CERTIFICATE_VERIFY_FAILED")
    }

    private static func words(for error: NIOSSLError) -> String {
        guard case .handshakeFailed(let cause) = error else { return "the encrypted connection broke" }
        if isUntrusted(error) {
            return "its certificate is not trusted: it has expired, or its issuer is unknown; "
                + "for a certificate of your own set server.caFile or server.pin"
        }
        let text = "\(cause)"
        if text.contains("WRONG_VERSION_NUMBER") || text.contains("HTTP_REQUEST") {
            return "it does not speak TLS there: check the port, or use http:// in a network of your own"
        }
        return "the encrypted connection did not come about"
    }

    private static func words(for error: HTTPClientError) -> String {
        switch error {
        case .connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout:
            "no answer in \(Limits.Connection.connectTimeout.components.seconds) seconds"
        case .remoteConnectionClosed, .uncleanShutdown: "the server closed the connection"
        case .invalidProxyResponse: "the proxy does not lead there"
        case .proxyAuthenticationRequired: "the proxy wants a login, which the agent has none for"
        default: "the server breaks the rules of HTTP"
        }
    }
}

/// The kernel's words for an errno.
func kernelWords(_ code: CInt) -> String {
    guard let words = strerror(code) else { return "error \(code)" }
    return String(cString: words)
}
