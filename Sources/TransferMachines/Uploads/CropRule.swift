/// Decides whether a complete picture in the upload folder, which nobody writes any more, is the user's next avatar. Nobody else
/// decides that: the disk hands over the facts, and carries the verdict out.
package enum CropRule {
    /// Why a crop that was set aside is not sent any more: it would take the icon from a later one.
    package static let superseded = "a later crop was uploaded before the server took it"

    /// Why a file that a person has dismissed is left alone, until it is another one.
    package static let dismissed = "dismissed until it is changed or uploaded again"

    /// Refusals that no later look takes back.
    package static let lasting = [superseded, dismissed]

    /// How a file lies there, compared with what was noted when its bytes were last dealt with. The bytes are the same.
    package enum Trace: Hashable, Sendable, CaseIterable {
        /// Nothing has happened to it.
        case untouched
        /// Its ctime is another: its mode, owner or names were changed, or its bytes were written with the mtime put back.
        case changed
        /// Its bytes were written since.
        case rewritten
        /// Another file with the mtime of the one before, or an older one, as a restored copy has it.
        case replaced
    }

    /// What the catalog has of the same name and the same digest.
    package enum Recorded: Hashable, Sendable {
        /// A crop that waits for this account. `isSameFile` when the row was written for this very file, and not for one with the same
        /// bytes before it; `isInOrder` when every crop that was recorded after it was also written after it.
        case waiting(isSameFile: Bool, isInOrder: Bool)
        /// A crop that waits for another account, and goes when that user logs in again.
        case waitingForAnother(isSameFile: Bool)
        /// A crop that a server has; whether that is this server, and it was sent for this user.
        case sent(toThisAccount: Bool, Trace)
        /// A crop that was set aside because a later one was uploaded before the server took it, or because a person dismissed it; the row was
        /// written for this very file.
        case superseded
        /// A file that was there when the catalog was made anew, and has the inode, size and mtime that it had then.
        case baseline(Trace)

        /// Whether something has happened to a file that was dealt with, and its bytes are the same.
        var wasTouched: Bool {
            switch self {
            case .sent(_, let trace), .baseline(let trace): trace != .untouched
            case .waiting, .waitingForAnother, .superseded: false
            }
        }

        /// The same of a file to which something has happened.
        var touched: Recorded {
            switch self {
            case .sent(let toThisAccount, .untouched): .sent(toThisAccount: toThisAccount, .changed)
            case .baseline(.untouched): .baseline(.changed)
            default: self
            }
        }
    }

    /// The file had another name in this folder when it was dealt with, and that name is gone.
    package enum Renamed: Hashable, Sendable {
        /// It is a crop of this account that waits.
        case waiting
        /// It was sent, or is not this user's to send.
        case dealtWith
    }

    /// What the disk knows of the file.
    package struct Candidate: Hashable, Sendable {
        /// Nil where the catalog has nothing of that name, or other bytes.
        package var recorded: Recorded?
        /// Nil for a file that had no other name before.
        package var renamed: Renamed?
        /// Whether the crop of this name is the user's icon, and no other waits to become it.
        package var isCurrent = false
        /// What speaks for and against the file in a folder that is cache and upload folder at once; nil where the folders are two.
        package var shared: SharedFolderRule.Candidate?

        /// A file of which the catalog knows nothing.
        package init(
            recorded: Recorded? = nil, renamed: Renamed? = nil, isCurrent: Bool = false,
            shared: SharedFolderRule.Candidate? = nil
        ) {
            self.recorded = recorded
            self.renamed = renamed
            self.isCurrent = isCurrent
            self.shared = shared
        }
    }

    /// What is to be done with the file.
    package enum Verdict: Hashable, Sendable {
        /// The server has it, or it is not this user's to send: nothing.
        case known
        /// It waits already, and keeps its place.
        case waits
        /// It is the crop of a name that is gone: it keeps its place and its state under the new name.
        case renamed(Renamed)
        /// It was closed behind all others that wait. `everSent` when a server may have some of it already.
        case isNew(everSent: Bool)
        /// It is no crop, which the catalog remembers with the reason.
        case refused(SharedFolderRule.Refusal)
    }

    /// How strictly a file is taken for new.
    package enum Mode: Hashable, Sendable {
        /// Somebody was heard to close the file after writing, or to move it into the folder: whoever puts a picture there means it to be
        /// the avatar now, also where the server has had it before.
        case normal
        /// Nobody was heard to write the file. It was found by a look through the folder, or its attributes changed: what was sent is known
        /// unless its bytes were written since.
        case found
        /// A name appeared by a link, or by a writer who was done before the look at it. As `found`.
        case appeared
        /// The file was renamed within the folder: as `found`.
        case renamed
        /// The file settled before or while the folder was looked through: a crop that waits by then keeps its place. As `found`.
        case confirming
        /// A person asked for the upload: the file is sent whatever the catalog says.
        case forced
    }

    /// The verdict on a file; `candidate.shared` holds all that the shared folder's rule asks for.
    package static func verdict(_ candidate: Candidate, _ mode: Mode) -> Verdict {
        if mode != .forced, let verdict = known(candidate, mode) { return verdict }
        switch candidate.recorded {
        case .waiting(isSameFile: true, _) where mode != .normal && mode != .forced: return .waits
        case .waiting(isSameFile: true, isInOrder: true) where mode != .forced: return .waits
        // The file's first close may have been heard late, when the file was whole: its last close came after those of others.
        case .waiting(isSameFile: true, _): return .isNew(everSent: true)
        default: break
        }
        if mode != .forced, let refusal = candidate.shared.flatMap(SharedFolderRule.refusal) {
            return refusal == .ownWrite ? .known : .refused(refusal)
        }
        // What was uploaded once begins anew: the server's word of that upload says nothing of this one.
        if case .sent(toThisAccount: true, _) = candidate.recorded { return .isNew(everSent: false) }
        return .isNew(everSent: candidate.recorded != nil)
    }

    /// The verdict on a file that was dealt with before; nil for one that is not known, or is to be sent again.
    private static func known(_ candidate: Candidate, _ mode: Mode) -> Verdict? {
        switch (candidate.recorded, mode) {
        case (.waitingForAnother(isSameFile: true), _): return .known
        // However late a look finds it, it must not become the icon after the crop that overtook it.
        case (.superseded, let mode): return mode == .normal ? nil : .known
        case (.sent(toThisAccount: true, _), _) where candidate.isCurrent: return .known
        // Another user, or the user of another server, saved it anew.
        case (.sent(toThisAccount: false, _), .normal): return nil
        case (.sent(_, .untouched), _), (.baseline(.untouched), _): return .known
        case (.sent(_, let trace), let mode), (.baseline(let trace), let mode):
            return mode == .normal || trace == .rewritten ? nil : .known
        case (nil, let mode) where mode != .normal: return candidate.renamed.map { .renamed($0) }
        default: return nil
        }
    }
}
