import Foundation
import Synchronization
import Testing

/// Watches a folder for bytes that must not be seen there: whatever stands at a final name, at any moment the kernel tells of,
/// must be one of the pictures expected under that name, complete.
final class FinalNames: Sendable {
    private let folder: String
    private let expected: Mutex<[String: Set<String>]>
    private let faults = Mutex<[String]>([])
    private let looks = Mutex(0)
    private nonisolated(unsafe) let source: any DispatchSourceRead

    /// Begins to watch; `expected` holds the digests allowed at each name.
    init(_ folder: String, expected: [String: Set<String>] = [:]) throws {
        self.folder = folder
        self.expected = Mutex(expected)
        let descriptor = inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC))
        guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EMFILE) }
        let mask = UInt32(IN_CREATE | IN_MODIFY | IN_MOVED_TO | IN_CLOSE_WRITE)
        guard inotify_add_watch(descriptor, folder, mask) >= 0 else {
            close(descriptor)
            throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .ENOENT)
        }
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: DispatchQueue(label: "final names"))
        source.setEventHandler { [weak self] in
            var buffer = [UInt8](repeating: 0, count: 64 * 1024)
            while read(descriptor, &buffer, buffer.count) > 0 {}
            self?.look()
        }
        source.setCancelHandler { close(descriptor) }
        source.resume()
    }

    deinit { source.cancel() }

    /// Allows one more content at a name.
    func expect(_ digest: String, at name: String) {
        expected.withLock { _ = $0[name, default: []].insert(digest) }
    }

    /// Looks at every final name now.
    func look() {
        looks.withLock { $0 += 1 }
        for name in (try? visibleNames(in: folder)) ?? [] {
            // Gone again between the listing and the look: nothing that anybody could have read.
            guard let found = contents(folder + "/" + name) else { continue }
            let allowed = expected.withLock { $0[name] ?? [] }
            guard !allowed.contains(sha256(found)) else { continue }
            faults.withLock { $0.append("\(name) held \(found.count) bytes that are none of its pictures") }
        }
    }

    /// Looks once more, and fails the test for everything wrong that was ever seen.
    func check(sourceLocation: SourceLocation = #_sourceLocation) {
        look()
        let faults = faults.withLock { $0 }
        #expect(faults.isEmpty, "\(faults.prefix(5))", sourceLocation: sourceLocation)
    }

    /// How often the folder was looked at.
    var lookCount: Int { looks.withLock { $0 } }
}
