internal import AvatarCore
internal import Foundation
internal import Glibc
internal import LabelBus
internal import NIOSSL
internal import PosixFiles

/// What is known of a server beside its answers, for `Verify`.
struct ServerFacts: Sendable {
    /// What version it says it is.
    var version: String?
    /// What time it said it was.
    var date: UnixTime?
    /// What encrypts the connection; nil where nothing does.
    var tls: String?
    /// Nil where its key is that of `server.pin`, whatever the certificate around it says.
    var certificate: LabelBus.Certificate?

    /// The moment of an HTTP date in the form that servers must send (RFC 9110, 5.6.7); nil for other text.
    static func date(_ text: String) -> UnixTime? {
        let form = /[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT/
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard let match = text.wholeMatch(of: form), let month = months.firstIndex(of: String(match.2)),
            let day = Int32(match.1), let year = Int32(match.3), let hour = Int32(match.4),
            let minute = Int32(match.5), let second = Int32(match.6)
        else { return nil }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (year - 1900, Int32(month), day)
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (hour, minute, second)
        let seconds = timegm(&parts)
        return seconds < 0 ? nil : UnixTime(milliseconds: Int64(seconds) * 1000)
    }

    /// `version` in the body of an answer to `/v1/me`.
    static func version(in body: [UInt8]) -> String? {
        guard case .object(let members)? = try? JSON.parse(body),
            case .string(let text)? = members.first(where: { $0.name == "version" })?.value
        else { return nil }
        return HTTPMapping.shown(text.string)
    }
}

extension TLSVersion {
    /// As a person knows it.
    var words: String {
        switch self {
        case .tlsv1: "TLS 1.0"
        case .tlsv11: "TLS 1.1"
        case .tlsv12: "TLS 1.2"
        case .tlsv13: "TLS 1.3"
        }
    }
}

extension LabelBus.Certificate {
    init(_ certificate: NIOSSLCertificate) {
        self.init(
            issuer: certificate.issuerWords,
            until: SystemClock.rfc3339(UnixTime(milliseconds: Int64(certificate.notValidAfter) * 1000)))
    }
}

extension NIOSSLCertificate {
    /// `R11 (Let's Encrypt)`: the issuer's common name, and its organization where that is another.
    var issuerWords: String {
        func value(_ type: SSLCertificateNameType) -> String? {
            issuerName.first { $0.type == type }.map { HTTPMapping.shown($0.value) }
        }
        let (name, organization) = (value(.commonName), value(.organization))
        guard let name else { return organization ?? "an issuer without a name" }
        return organization.map { $0 == name ? name : "\(name) (\($0))" } ?? name
    }
}
