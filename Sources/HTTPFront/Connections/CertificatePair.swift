package import AvatarCore
internal import NIOHTTP2
internal import NIOSSL
internal import PosixFiles
package import ServerRuntime

/// A certificate with its chain, and its key, as they lie in their files.
package struct CertificatePair: Sendable {
    /// Why two files are no certificate and its key.
    package struct Fault: Error, CustomStringConvertible, Sendable {
        /// The key of the configuration that names the file.
        package let key: String
        package let reason: String
        /// What a person can do about it.
        package let remedy: String

        package var description: String { "\(key): \(reason); \(remedy)" }
    }

    /// What connections are encrypted with.
    let context: NIOSSLContext
    /// When the certificate's time begins and ends.
    package let begins: UnixTime
    package let ends: UnixTime
    /// Files with the same bytes are no other pair.
    let bytes: [[UInt8]]

    package init(reading files: ServerSettings.HTTP.TLS) throws(Fault) {
        let certificate = try Self.read(files.certificateFile, "http.tls.certificateFile")
        let key = try Self.read(files.keyFile, "http.tls.keyFile")
        let chain = (try? NIOSSLCertificate.fromPEMBytes(certificate)) ?? []
        guard let own = chain.first else {
            throw Fault(
                key: "http.tls.certificateFile", reason: "\(files.certificateFile) has no certificate in PEM",
                remedy: "it must hold the certificate and behind it its chain, as certbot's fullchain.pem does")
        }
        guard let privateKey = try? NIOSSLPrivateKey(bytes: key, format: .pem) else {
            throw Fault(
                key: "http.tls.keyFile", reason: "\(files.keyFile) has no private key in PEM",
                remedy: "it must hold the certificate's key without a passphrase, as certbot's privkey.pem does")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(privateKey))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = NIOHTTP2SupportedALPNProtocols
        // Refuses a key that is not the certificate's now, and not with the first connection.
        guard let context = try? NIOSSLContext(configuration: configuration) else {
            throw Fault(
                key: "http.tls.keyFile",
                reason: "\(files.keyFile) is not the key of the certificate in \(files.certificateFile)",
                remedy: "put the two there that were made together")
        }
        self.context = context
        begins = UnixTime(milliseconds: Int64(own.notValidBefore) * 1000)
        ends = UnixTime(milliseconds: Int64(own.notValidAfter) * 1000)
        bytes = [certificate, key]
    }

    private static func read(_ path: String, _ key: String) throws(Fault) -> [UInt8] {
        let bytes: [UInt8]
        do throws(PosixError) {
            bytes = try OpenFile.open(path: path).read(at: 0, count: Limits.HTTP.pemBytesMax + 1)
        } catch {
            throw Fault(
                key: key, reason: "cannot be read: \(error)",
                remedy: "the file must be there, and the server's user must be able to read it")
        }
        guard bytes.count <= Limits.HTTP.pemBytesMax else {
            throw Fault(
                key: key, reason: "\(path) has more than \(Limits.HTTP.pemBytesMax) bytes", remedy: "name a PEM file")
        }
        return bytes
    }
}
