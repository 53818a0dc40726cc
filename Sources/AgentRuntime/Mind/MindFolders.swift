internal import AvatarCore
internal import FolderWatch
internal import TransferMachines

/// What the watch saw, as the machine takes it; nil for what means nothing to it.
extension FolderChange {
    init?(_ event: FolderEvent) {
        let folder = WatchedFolder(event.folder)
        switch (event.kind, event.file) {
        case (.closedAfterWriting, let file?), (.movedIn, let file?): self = .settled(folder, name: file.text)
        case (.deleted, let file?), (.movedOut, let file?): self = .gone(folder, name: file.text)
        case (.overflow, _): self = .overflow
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

extension WatchedName {
    /// The name, valid or not, for a person to see.
    var text: String {
        switch self {
        case .valid(let name): name.string
        case .invalid(let error): error.name
        }
    }
}
