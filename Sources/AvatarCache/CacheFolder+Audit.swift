package import AvatarCore
internal import PosixFiles

/// The findings of one page of an audit.
package struct AuditPage: Hashable, Sendable {
    /// Files that were read.
    package var checked = 0
    /// Files that hold another complete picture than was recorded: another program replaced them.
    package var replaced: [FoundFile] = []
    /// Rows whose files are gone, or hold no complete picture: a power cut took their bytes.
    package var lost: [AvatarRow] = []
    /// Where the next page begins; nil when this was the last.
    package var next: AvatarName?
}

extension CacheFolder {
    /// Reads a page of recorded files again and compares their digests, for after an unclean boot with `storage.sync: none`, when inode,
    /// size and time may be right and the bytes are not.
    package func audit(after: AvatarName?, limit: Int) throws(CacheError) -> AuditPage {
        let rows = try catalog.list(.ready, after: after, limit: limit).compactMap(\.avatar)
        var page = AuditPage(next: rows.count < limit ? nil : rows.last?.name)
        for row in rows {
            page.checked += 1
            switch try examine(row.name, isRecorded: true) {
            case .success(let file) where file.sha256 == row.sha256: break
            case .success(let file):
                page.replaced.append(FoundFile(name: row.name, owner: row.owner, origin: .foreign, file: file))
            case .failure, nil: page.lost.append(row)
            }
        }
        return page
    }

    /// Takes away the rows that ``audit(after:limit:)`` found lost, and their files where those are the agent's own and have the recorded
    /// inode.
    package func removeLost(_ rows: [AvatarRow], at now: UnixTime) throws(CacheError) -> [EventRow] {
        for row in rows where row.origin != .foreign {
            do throws(PosixError) {
                if let facts = try folder.facts(of: row.name.string), facts.kind == .regular,
                    facts.inode == row.identity.inode
                {
                    try folder.remove(row.name.string)
                }
            } catch {
                throw CacheError(error, "removing the damaged \(row.name)")
            }
        }
        return try recordRemoved(rows.map(\.name), reason: AbsenceReason.corrupt.rawValue, at: now)
    }
}
