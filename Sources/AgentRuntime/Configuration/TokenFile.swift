internal import AvatarCore
internal import PosixFiles

/// Where a token lies: the configured file, else systemd's credential, else the state directory.
package enum TokenFile {
    /// A token that cannot be used, and what to do.
    package struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
        package let description: String
        /// Whether it is a login that was made over the bus: the agent runs without it, and another one mends it.
        var isOfKeptLogin = false
    }

    /// The name of the credential and, less its folder, of the file in the state directory (systemd.exec(5),
    /// LoadCredential).
    static let credential = "credential.token"

    /// The token, or nil when nobody has put one anywhere.
    package static func read(
        configured: String?, stateDirectory: String, environment: [String: String]
    ) throws(Fault) -> String? {
        if let configured { return try read(configured, isRequired: true) }
        if let folder = environment["CREDENTIALS_DIRECTORY"],
            let token = try read(folder + "/" + credential, isRequired: false)
        {
            return token
        }
        return try read(stateDirectory + "/token", isRequired: false)
    }

    /// One file: refused when others can read it, or when it holds no single line.
    static func read(_ path: String, isRequired: Bool) throws(Fault) -> String? {
        let facts: FileFacts
        let bytes: [UInt8]
        do throws(PosixError) {
            let file = try OpenFile.open(path: path)
            facts = try file.facts()
            bytes = try file.read(at: 0, count: Limits.Token.bytesMax + 1)
        } catch {
            if error.isMissing, !isRequired { return nil }
            throw Fault(description: "the token file cannot be read: \(error)")
        }
        guard facts.permissions & 0o077 == 0 else {
            throw Fault(description: "the token file \(path) can be read by others: chmod 600 \(path)")
        }
        let text =
            String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
        guard !text.isEmpty, bytes.count <= Limits.Token.bytesMax else {
            throw Fault(
                description: "the token file \(path) must hold one line of at most \(Limits.Token.bytesMax) bytes")
        }
        return text
    }
}
