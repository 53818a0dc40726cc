/// What to do at start with a commit that a crash cut short (docs/architecture.md), decided from what its intent row finds at the final
/// name and among the parts.
package enum CommitRecovery: Hashable, Sendable {
    /// The rename happened: what it replaced goes, and the final row is written.
    case record
    /// The swap took another hand's file away from the final name: that one gets its name back, and the intent goes.
    case giveBack
    /// The rename did not happen, or a power cut took it back: the part gets its final name, in the order of promise 1.
    case place
    /// The file lost its bytes in a power cut: it goes, wherever it lies, and so does the intent.
    case removeDamaged
    /// Nothing of it is left: the intent goes.
    case forget

    /// What lies at one of the two places.
    package enum Found: Hashable, Sendable, CaseIterable {
        /// The file that was verified.
        case asIntended
        /// Its inode, without its bytes.
        case damaged
        /// The agent's own earlier file of that name, which the commit replaces.
        case replaced
        /// Anybody else's file.
        case another
        case nothing
    }

    package init(final: Found, part: Found) {
        switch (final, part) {
        case (.asIntended, .another): self = .giveBack
        case (.asIntended, _): self = .record
        case (.damaged, _), (_, .damaged): self = .removeDamaged
        case (_, .asIntended): self = .place
        default: self = .forget
        }
    }
}
