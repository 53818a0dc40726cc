/// Decides whether a complete picture in the upload folder, which nobody writes any more, is the user's next avatar. Nobody else
/// decides that: the disk hands over the facts, and carries the verdict out.
package enum CropRule {
    /// What the catalog has of the same name and the same digest.
    package enum Recorded: Hashable, Sendable {
        /// A crop that waits for this account. `isSameFile` when the row was written for this very file, and not for one with the same
        /// bytes before it; `isInOrder` when every crop that was recorded after it was also written after it.
        case waiting(isSameFile: Bool, isInOrder: Bool)
        /// A crop that waits for another account, and goes when that user logs in again.
        case waitingForAnother(isSameFile: Bool)
        /// A crop that a server has; whether that is this server, and it was sent for this user.
        case sent(toThisAccount: Bool)
    }

    /// What the disk knows of the file.
    package struct Candidate: Hashable, Sendable {
        /// Nil where the catalog has nothing of that name, or other bytes.
        package var recorded: Recorded?
        /// What speaks for and against the file in a folder that is cache and upload folder at once; nil where the folders are two.
        package var shared: SharedFolderRule.Candidate?

        /// A file of which the catalog knows nothing.
        package init(recorded: Recorded? = nil, shared: SharedFolderRule.Candidate? = nil) {
            self.recorded = recorded
            self.shared = shared
        }
    }

    /// What is to be done with the file.
    package enum Verdict: Hashable, Sendable {
        /// The server has it, or it is not this user's to send: nothing.
        case known
        /// It waits already, and keeps its place.
        case waits
        /// It was closed behind all others that wait. `everSent` when a server may have some of it already.
        case isNew(everSent: Bool)
        /// It is no crop, which the catalog remembers with the reason.
        case refused(SharedFolderRule.Refusal)
    }

    /// How strictly a file is taken for new.
    package enum Mode: Hashable, Sendable {
        /// What the server has under that name and digest is not sent again.
        case normal
        /// The file settled before or while the folder was looked through: a crop that waits by then keeps its place.
        case confirming
        /// A person asked for the upload: the file is sent whatever the catalog says.
        case forced
    }

    /// The verdict on a file; `candidate.shared` holds all that the shared folder's rule asks for.
    package static func verdict(_ candidate: Candidate, _ mode: Mode) -> Verdict {
        switch candidate.recorded {
        case .sent(toThisAccount: true) where mode != .forced: return .known
        case .waitingForAnother(isSameFile: true) where mode != .forced: return .known
        case .waiting(isSameFile: true, _) where mode == .confirming: return .waits
        case .waiting(isSameFile: true, isInOrder: true) where mode != .forced: return .waits
        // The file's first close may have been heard late, when the file was whole: its last close came after those of others.
        case .waiting(isSameFile: true, _): return .isNew(everSent: true)
        default: break
        }
        if mode != .forced, let refusal = candidate.shared.flatMap(SharedFolderRule.refusal) {
            return refusal == .ownWrite ? .known : .refused(refusal)
        }
        // What was uploaded once begins anew: the server's word of that upload says nothing of this one.
        if case .sent(toThisAccount: true) = candidate.recorded { return .isNew(everSent: false) }
        return .isNew(everSent: candidate.recorded != nil)
    }
}
