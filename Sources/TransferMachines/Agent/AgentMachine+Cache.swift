internal import AvatarCore

/// Whether the cache folder's path leads to the files that the catalog knows.
enum CachePlace: Hashable, Sendable {
    case held
    /// It leads elsewhere, or to nothing.
    case away
    /// A folder is held again, and what lies in it is being looked at.
    case returning
}

// While the cache folder's path leads elsewhere, no label is sent to a file that is not there.
extension AgentMachine {
    /// A picture that is there, unless its folder is not.
    func view(of record: AvatarRecord) -> AvatarView {
        guard cachePlace != .held else { return AvatarView(record) }
        return AvatarView(
            name: record.name.string, owner: record.owner, state: .pending,
            reason: Self.cacheIsElsewhere)
    }

    static var cacheIsElsewhere: String { "the cache folder is not at its path" }

    /// A row of the catalog of which the machine knows nothing more.
    func view(of row: CatalogRow) -> AvatarView {
        if let record = row.avatar { return view(of: record) }
        return AvatarView(row, now: now)
    }

    mutating func cacheIsAway() {
        let isNews = cachePlace == .held
        cachePlace = .away
        guard isNews else { return }
        for name in downloads.known.present { tellLabels(name) }
    }

    /// A folder is held again. What the look through it finds decides which pictures are there.
    mutating func cacheIsBack() { if cachePlace == .away { cachePlace = .returning } }

    mutating func cacheIsLookedThrough() {
        guard cachePlace == .returning else { return }
        cachePlace = .held
        for name in downloads.known.present { concluded(name) }
    }
}
