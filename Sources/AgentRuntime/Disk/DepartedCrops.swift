internal import AvatarCache
internal import AvatarCore

/// Crops that left their names in the upload folder, for a while: one that was only given another name is no new crop.
struct DepartedCrops {
    /// By inode, which a rename leaves as it is.
    private var rows: [UInt64: CropRow] = [:]
    private var order: [UInt64] = []

    /// The file of this row lies at its name no more.
    mutating func remember(_ row: CropRow) {
        if case .rejected = row.state { return }
        let inode = row.identity.inode
        if rows.updateValue(row, forKey: inode) == nil { order.append(inode) }
        guard order.count > Limits.Upload.departedMax else { return }
        rows[order.removeFirst()] = nil
    }

    /// The crop that this file was under its earlier name; nil when its bytes were written since, or it never was one.
    func row(of facts: CropFacts) -> CropRow? {
        guard let row = rows[facts.identity.inode], row.identity.isSameFile(as: facts.identity),
            row.sha256 == nil || row.sha256 == facts.sha256
        else { return nil }
        return row
    }

    /// The same, to be remembered no longer.
    mutating func take(_ facts: CropFacts) -> CropRow? {
        guard let row = row(of: facts) else { return nil }
        rows[facts.identity.inode] = nil
        order.removeAll { $0 == facts.identity.inode }
        return row
    }
}
