package import AvatarCore
internal import CCrypto

/// libcrypto could not begin a digest or go on with one: it is out of memory, or the machine's policy forbids MD5 (FIPS).
package struct DigestError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The algorithm that was asked for.
    package let algorithm: Digester.Algorithm

    package var description: String {
        "libcrypto refuses \(algorithm): check OPENSSL_CONF and whether a FIPS policy forbids it"
    }
}

/// One running digest of libcrypto's EVP interface (EVP_DigestInit(3)), fed piece by piece.
@safe package struct Digester: ~Copyable {
    /// The two algorithms that this project needs.
    package enum Algorithm: Sendable {
        /// For the seed's `md5` field only.
        case md5
        /// For everything that must be proven.
        case sha256
    }

    private let context: OpaquePointer
    private let algorithm: Algorithm

    /// Begins a digest of no bytes.
    package init(_ algorithm: Algorithm) throws(DigestError) {
        unsafe context = unsafe try Self.begin(algorithm)
        self.algorithm = algorithm
    }

    private static func begin(_ algorithm: Algorithm) throws(DigestError) -> OpaquePointer {
        guard let context = unsafe EVP_MD_CTX_new() else { throw DigestError(algorithm: algorithm) }
        let method = unsafe algorithm == .md5 ? EVP_md5() : EVP_sha256()
        guard unsafe EVP_DigestInit_ex(context, method, nil) == 1 else {
            unsafe EVP_MD_CTX_free(context)
            throw DigestError(algorithm: algorithm)
        }
        return unsafe context
    }

    deinit { unsafe EVP_MD_CTX_free(context) }

    /// Takes the next bytes.
    package mutating func update(_ bytes: RawSpan) throws(DigestError) {
        let accepted = unsafe bytes.withUnsafeBytes { buffer in
            unsafe EVP_DigestUpdate(context, buffer.baseAddress, buffer.count)
        }
        guard accepted == 1 else { throw DigestError(algorithm: algorithm) }
    }

    /// Ends the digest: 16 bytes for MD5, 32 for SHA-256.
    package consuming func finish() throws(DigestError) -> [UInt8] {
        let length = algorithm == .md5 ? 16 : 32
        var bytes = [UInt8](repeating: 0, count: length)
        guard unsafe EVP_DigestFinal_ex(context, &bytes, nil) == 1 else {
            throw DigestError(algorithm: algorithm)
        }
        return bytes
    }
}

extension SHA256Digest {
    /// The digest of bytes that are all at hand.
    package init(of bytes: RawSpan) throws(DigestError) {
        var digester = try Digester(.sha256)
        try digester.update(bytes)
        guard let digest = SHA256Digest(bytes: try digester.finish()) else {
            throw DigestError(algorithm: .sha256)
        }
        self = digest
    }
}

extension MD5Digest {
    /// The digest of bytes that are all at hand.
    package init(of bytes: RawSpan) throws(DigestError) {
        var digester = try Digester(.md5)
        try digester.update(bytes)
        guard let digest = MD5Digest(bytes: try digester.finish()) else {
            throw DigestError(algorithm: .md5)
        }
        self = digest
    }
}
