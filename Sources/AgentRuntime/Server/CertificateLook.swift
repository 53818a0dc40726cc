internal import AsyncHTTPClient
internal import AvatarCore
internal import Glibc
internal import NIOCore
internal import NIOSSL
internal import PosixFiles

/// What is wrong with a certificate that is not trusted.
enum CertificateFault: Error, Equatable {
    /// Its time ended, at this second since 1970.
    case expired(Int)
    /// Its time begins then.
    case notYetValid(Int)
    case selfSigned
    /// Neither its own fault nor its time's: whoever issued it is not known here.
    case unknownIssuer(String)

    init(_ certificate: NIOSSLCertificate, now: UnixTime) {
        let seconds = Int(now.milliseconds / 1000)
        if certificate.notValidAfter < seconds {
            self = .expired(certificate.notValidAfter)
        } else if certificate.notValidBefore > seconds {
            self = .notYetValid(certificate.notValidBefore)
        } else if certificate.issuerName == certificate.subjectName {
            self = .selfSigned
        } else {
            self = .unknownIssuer(certificate.issuerWords)
        }
    }

    /// As a person reads it, and what to do.
    var words: String {
        func moment(_ seconds: Int) -> String { SystemClock.rfc3339(UnixTime(milliseconds: Int64(seconds) * 1000)) }
        let own = "for a certificate of your own set server.caFile or server.pin"
        return switch self {
        case .expired(let end):
            "its certificate has expired, at \(moment(end)): whoever runs the server has to renew it "
                + "(or this machine's clock is wrong)"
        case .notYetValid(let begin):
            "its certificate is not valid before \(moment(begin)): look at this machine's clock"
        case .selfSigned: "its certificate is not trusted: it has signed itself; \(own)"
        case .unknownIssuer(let issuer): "its certificate is not trusted: its issuer is unknown here, \(issuer); \(own)"
        }
    }
}

/// Connects to a server that is not trusted once more, believing everything and sending nothing, to see what is wrong with its certificate.
enum CertificateLook {
    private struct Seen: Error {
        let certificate: NIOSSLCertificate?
    }

    /// What is wrong; fails where there is no certificate to be seen.
    static func look(
        at server: ServerAddress, proxy: HostPort?, on loop: any EventLoop
    ) -> EventLoopFuture<CertificateFault> {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.certificateVerification = .none
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        configuration.reach(proxy)
        // The connection ends with what is thrown here, before a request goes out on it.
        configuration.inspect { certificate, _ in throw Seen(certificate: certificate) }
        let client = HTTPClient(eventLoopGroupProvider: .shared(loop), configuration: configuration)
        let url = "https://\(server.url?.authority ?? HostPort.text(host: server.host, port: server.port))/"
        let looked = loop.makePromise(of: CertificateFault.self)
        client.get(url: url).hop(to: loop).whenComplete { result in
            client.shutdown { _ in
                if case .failure(let seen as Seen) = result, let certificate = seen.certificate {
                    looked.succeed(CertificateFault(certificate, now: SystemClock().wall))
                } else {
                    looked.fail(ChannelError.eof)
                }
            }
        }
        return looked.futureResult
    }
}
