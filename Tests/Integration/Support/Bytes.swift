import AvatarCore
import Foundation
import PosixFiles

/// The SHA-256 of bytes, 64 hexadecimal digits.
func sha256(_ bytes: [UInt8]) -> String {
    (try? SHA256Digest(of: bytes.span.bytes).hex) ?? "libcrypto refuses SHA-256"
}

/// The bytes of a file, or nil when there is none.
func contents(_ path: String) -> [UInt8]? {
    FileManager.default.contents(atPath: path).map { [UInt8]($0) }
}

/// A file's SHA-256, or nil when there is none.
func sha256(ofFile path: String) -> String? { contents(path).map(sha256) }

/// Writes a file as a client does: opened, written, closed at its final name.
func write(_ bytes: [UInt8], to path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
}

/// Writes a file beside `path` and renames it there, as careful clients do.
func writeByRename(_ bytes: [UInt8], to path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
}

/// What lies in a folder, hidden names left out, in order.
func visibleNames(in folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasPrefix(".") }.sorted()
}
