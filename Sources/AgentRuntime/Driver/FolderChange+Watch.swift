internal import AvatarCore
internal import FolderWatch
internal import TransferMachines

extension AgentInput {
    /// What the watch saw, as the machine takes it; nil for what means nothing to it.
    init?(_ event: FolderEvent, ignored: NamePatterns) {
        if event.kind == .pathChanged {
            self = .pathsMayDiffer
        } else {
            guard let change = FolderChange(event, ignored: ignored) else { return nil }
            self = .folder(change)
        }
    }
}

/// What the watch saw in one of the folders; nil for what means nothing to the machine.
extension FolderChange {
    /// `ignored` are names of the upload folder that mean nothing (`upload.ignore`); names that begin with a dot never mean anything.
    init?(_ event: FolderEvent, ignored: NamePatterns = .none) {
        let folder = WatchedFolder(event.folder)
        switch (event.kind, event.file) {
        case (.overflow, _): self = .overflow
        case (.pathChanged, _): return nil
        case (.folderGone(.unwatchable), _): self = .lost(folder, reason: "it could not be watched again", remedy: nil)
        case (.folderGone(let loss), _): self = .lost(folder, reason: "it was \(loss.rawValue)", remedy: nil)
        case (_, nil): return nil
        case (let kind, .valid(let name)?):
            if folder == .crops, ignored.match(name.string) { return nil }
            self.init(kind, folder, name, ignored)
        case (let kind, .invalid(let name)?):
            if name.code == .leadingDot || (folder == .crops && ignored.match(name.name)) { return nil }
            self.init(kind, folder, name)
        }
    }

    private init?(_ kind: FolderEvent.Kind, _ folder: WatchedFolder, _ name: AvatarName, _ ignored: NamePatterns) {
        switch kind {
        case .closedAfterWriting, .movedIn: self = .settled(folder, name)
        // A name that meant nothing is how a program calls a file that it has not finished.
        case .renamed(from: .valid(let from)) where !ignored.match(from.string): self = .renamed(folder, name)
        case .renamed: self = .settled(folder, name)
        case .deleted, .movedOut: self = .gone(folder, name)
        case .created, .writerGone: self = .appeared(folder, name)
        case .attributesChanged: self = .touched(folder, name)
        case .modified, .folderGone, .overflow, .pathChanged: return nil
        }
    }

    private init?(_ kind: FolderEvent.Kind, _ folder: WatchedFolder, _ name: AvatarNameError) {
        switch kind {
        case .closedAfterWriting, .movedIn, .renamed, .created, .writerGone: self = .unnameable(folder, name)
        case .deleted, .movedOut: self = .unnameableGone(folder, name)
        case .modified, .attributesChanged, .folderGone, .overflow, .pathChanged: return nil
        }
    }
}

extension WatchedFolder {
    /// The watch knows folders by number.
    var id: FolderID { FolderID(self == .crops ? 0 : 1) }

    init(_ id: FolderID) { self = id == WatchedFolder.crops.id ? .crops : .cache }
}
