import AvatarCore
internal import Synchronization
internal import TransferMachines

/// What the first chunk of a download found: under which keys was looked, and the open file where there was one.
///
/// Chunks that follow are of that very file, whatever has taken its place meanwhile.
struct DownloadFiles: Sendable {
    private var files: [(key: ResourceKey, file: (any StoredFile)?)] = []

    /// Notes what was found at `key`; nil: nothing.
    mutating func note(_ file: (any StoredFile)?, at key: ResourceKey) { files.append((key, file)) }

    /// The file at `key`, or nil inside when there was none; nil when nobody has looked there.
    func file(at key: ResourceKey) -> (any StoredFile)?? { files.first { $0.key == key }.map { $0.file } }
}

/// How many files all connections together keep open between two chunks.
final class OpenFileBudget: Sendable {
    private let count = Atomic<Int>(0)

    /// Whether there is room for one more, which is then taken.
    func take() -> Bool {
        if count.add(1, ordering: .relaxed).newValue <= Limits.Server.downloadsOpenMax { return true }
        give(1)
        return false
    }

    func give(_ amount: Int) { count.subtract(amount, ordering: .relaxed) }
}

/// The downloads that one connection has under way, oldest first: their files stay open from the first chunk to the last, so that
/// the chunks between need no look at the token and the folder, and mostly no worker.
struct OpenFileCache {
    private var downloads: [(key: ResourceKey, found: DownloadFiles)] = []
    private let budget: OpenFileBudget

    init(_ budget: OpenFileBudget) { self.budget = budget }

    /// - Parameter key: the asker and the name.
    func found(_ key: ResourceKey) -> DownloadFiles? { downloads.first { $0.key == key }?.found }

    mutating func keep(_ found: DownloadFiles, for key: ResourceKey) {
        forget(key)
        if downloads.count == Limits.Server.downloadsOpenPerConnectionMax {
            downloads.removeFirst()
            budget.give(1)
        }
        if budget.take() { downloads.append((key, found)) }
    }

    mutating func forget(_ key: ResourceKey) {
        guard let index = downloads.firstIndex(where: { $0.key == key }) else { return }
        downloads.remove(at: index)
        budget.give(1)
    }

    mutating func forgetAll() {
        budget.give(downloads.count)
        downloads = []
    }
}
