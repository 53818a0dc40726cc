package import AvatarCore
internal import Foundation

/// The fields of tus 1.0.0 (https://tus.io/protocols/resumable-upload).
package enum Tus {
    package static let version = "1.0.0"
    static let extensions = "creation,creation-with-upload,checksum,expiration,termination"
    package static let mediaType = "application/offset+octet-stream"

    /// A number of bytes as `Upload-Offset` and `Upload-Length` have it: digits only.
    package static func bytes(_ field: String) -> Int64? {
        field.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int64(field) : nil
    }

    /// `Upload-Metadata`: pairs of a key and its value in base64. Keys that this server does not know are not looked at.
    package struct Metadata: Hashable, Sendable {
        package let name: AvatarName
        /// Of the whole picture; nil where the client promises none.
        package let sha256: SHA256Digest?

        /// What is wrong with the field, for a person.
        package struct Fault: Error, Hashable, Sendable {
            package let detail: String
        }

        package init(_ field: String) throws(Fault) {
            var values: [Substring: String] = [:]
            for pair in field.split(separator: ",") {
                let parts = pair.split(separator: " ", omittingEmptySubsequences: true)
                guard let key = parts.first, parts.count <= 2 else {
                    throw Fault(detail: "Upload-Metadata: each pair is a key, a space, and a value in base64")
                }
                guard key == "filename" || key == "sha256" else { continue }
                guard let bytes = Data(base64Encoded: parts.count == 2 ? String(parts[1]) : ""),
                    let text = String(validating: bytes, as: UTF8.self)
                else { throw Fault(detail: "Upload-Metadata: the value of \(key) is no base64 of UTF-8") }
                guard values.updateValue(text, forKey: key) == nil else {
                    throw Fault(detail: "Upload-Metadata: \(key) is there twice")
                }
            }
            guard let name = values["filename"] else {
                throw Fault(detail: "Upload-Metadata needs filename, the picture's name, in base64")
            }
            do {
                self.name = try AvatarName(name)
            } catch {
                throw Fault(detail: "Upload-Metadata: the filename \(error.code)")
            }
            sha256 = try values["sha256"].map { text throws(Fault) in
                guard let digest = SHA256Digest(hex: text) else {
                    throw Fault(
                        detail: "Upload-Metadata: sha256 must be 64 hexadecimal digits in lower case, in base64")
                }
                return digest
            }
        }

        init(name: AvatarName, sha256: SHA256Digest?) {
            self.name = name
            self.sha256 = sha256
        }

        /// As a client would write it.
        var field: String {
            func pair(_ key: String, _ text: String) -> String { "\(key) \(Data(text.utf8).base64EncodedString())" }
            return ([pair("filename", name.string)] + (sha256.map { [pair("sha256", $0.hex)] } ?? []))
                .joined(separator: ",")
        }
    }

    /// `Upload-Checksum: sha256 <base64>`; nil for another algorithm and for what is no digest.
    static func checksum(_ field: String) -> SHA256Digest? {
        let parts = field.split(separator: " ")
        guard parts.count == 2, parts[0] == "sha256" else { return nil }
        return Data(base64Encoded: String(parts[1])).flatMap { SHA256Digest(bytes: Array($0)) }
    }
}
