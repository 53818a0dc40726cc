/// Whether a whole picture that nobody writes any more, in the upload folder, is to be sent (DESIGN.md, promise 2).
package enum CropRule {
    /// What the catalog has of the same name and the same digest.
    package enum Recorded: Hashable, Sendable {
        /// A crop that waits; whether it was recorded for this very file, or for one with the same bytes before it, and whether whatever
        /// was recorded after it was written after it, too. A close that is heard after a look through the folder has found its file tells
        /// nothing new.
        case waiting(isSameFile: Bool, isInOrder: Bool)
        /// A crop that a server has; whether it is this server, and this user's.
        case sent(toThisAccount: Bool)
    }

    package enum Verdict: Hashable, Sendable {
        /// It is where it should be.
        case known
        /// It waits already, and keeps its place.
        case waits
        /// It waits already, and was closed again after others: behind them. Its first close may have been heard late, when it was whole.
        case closedAgain
        /// It was closed just now: behind all that were closed before.
        case isNew
    }

    /// `recorded` is nil where the catalog has nothing of that name, or other bytes.
    package static func verdict(_ recorded: Recorded?, _ mode: ExamineMode) -> Verdict {
        switch recorded {
        case .sent(toThisAccount: true) where mode != .forced: .known
        case .waiting(isSameFile: true, _) where mode == .confirming: .waits
        case .waiting(isSameFile: true, isInOrder: true): .waits
        case .waiting(isSameFile: true, isInOrder: false): .closedAgain
        default: .isNew
        }
    }
}
