internal import Foundation

/// A folder of its own for one test, short enough for a socket's path; removed when it goes.
package final class TemporaryFolder: Sendable {
    /// Its path, without a slash at the end.
    package let path: String

    package init() throws {
        path = NSTemporaryDirectory().trimmingSuffix("/") + "/bus-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A path in it.
    package func file(_ name: String) -> String { path + "/" + name }
}

extension String {
    fileprivate func trimmingSuffix(_ suffix: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
    }
}
