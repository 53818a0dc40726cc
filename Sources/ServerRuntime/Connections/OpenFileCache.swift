import AvatarCore
internal import Synchronization
internal import TransferMachines

/// The places where the first chunk of a download looked for the file, and the open file where there was one.
///
/// The next chunks of the download are read from that open file, even when another file has taken its place meanwhile.
struct DownloadFiles: Sendable {
    private var files: [(key: ResourceKey, file: (any StoredFile)?)] = []

    /// Notes the file at `key`; nil when there was none.
    mutating func note(_ file: (any StoredFile)?, at key: ResourceKey) { files.append((key, file)) }

    /// The file at `key`; `.some(nil)` when there was none, nil when the first chunk did not look there.
    func file(at key: ResourceKey) -> (any StoredFile)?? { files.first { $0.key == key }.map { $0.file } }
}

/// Counts the files that all connections together keep open between two chunks.
final class OpenFileBudget: Sendable {
    private let count = Atomic<Int>(0)
    private let filesMax: Int

    init(filesMax: Int) { self.filesMax = filesMax }

    /// Takes room for one more file. Returns false when there is none.
    func take() -> Bool {
        if count.add(1, ordering: .relaxed).newValue <= filesMax { return true }
        give(1)
        return false
    }

    func give(_ amount: Int) { count.subtract(amount, ordering: .relaxed) }
}

/// The open files of the downloads that one connection has under way, oldest first. A file stays open from the first chunk to the last,
/// so that the server looks for it once and can mostly answer the chunks between on the event loop.
struct OpenFileCache {
    private var downloads: [(key: ResourceKey, files: DownloadFiles)] = []
    private let budget: OpenFileBudget

    init(_ budget: OpenFileBudget) { self.budget = budget }

    /// - Parameter key: the user who asks, and the name.
    func files(of key: ResourceKey) -> DownloadFiles? { downloads.first { $0.key == key }?.files }

    mutating func insert(_ files: DownloadFiles, for key: ResourceKey) {
        remove(key)
        if downloads.count == Limits.Server.downloadsOpenPerConnectionMax {
            downloads.removeFirst()
            budget.give(1)
        }
        if budget.take() { downloads.append((key, files)) }
    }

    mutating func remove(_ key: ResourceKey) {
        guard let index = downloads.firstIndex(where: { $0.key == key }) else { return }
        downloads.remove(at: index)
        budget.give(1)
    }

    mutating func removeAll() {
        budget.give(downloads.count)
        downloads = []
    }
}
