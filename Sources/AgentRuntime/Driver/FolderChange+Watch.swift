internal import AvatarCore
internal import FolderWatch
internal import TransferMachines

extension AgentInput {
    /// What the watch saw, as the machine takes it; nil for what means nothing to it.
    init?(_ event: FolderEvent) {
        if event.kind == .pathChanged {
            self = .pathsMayDiffer
        } else {
            guard let change = FolderChange(event) else { return nil }
            self = .folder(change)
        }
    }
}

/// What the watch saw in one of the folders; nil for what means nothing to the machine.
extension FolderChange {
    init?(_ event: FolderEvent) {
        let folder = WatchedFolder(event.folder)
        switch (event.kind, event.file) {
        case (.closedAfterWriting, .valid(let name)?), (.movedIn, .valid(let name)?): self = .settled(folder, name)
        case (.closedAfterWriting, .invalid(let name)?), (.movedIn, .invalid(let name)?):
            self = .unnameable(folder, name)
        case (.deleted, .valid(let name)?), (.movedOut, .valid(let name)?): self = .gone(folder, name)
        case (.overflow, _): self = .overflow
        case (.pathChanged, _): return nil
        case (.folderGone(let loss), _): self = .lost(folder, reason: "it was \(loss.rawValue)", remedy: nil)
        default: return nil
        }
    }
}

extension WatchedFolder {
    /// The watch knows folders by number.
    var id: FolderID { FolderID(self == .crops ? 0 : 1) }

    init(_ id: FolderID) { self = id == WatchedFolder.crops.id ? .crops : .cache }
}
