internal import AvatarCore

/// One transfer between the agent and its server.
enum Transfer: Hashable, Sendable {
    case download(AvatarName)
    case upload(CropID)
}

/// Decides who may ask the server now, so that no request starves the others, whatever the server does with it.
///
/// Transfers that were in flight when the server hung up are suspects, until the server answers them. On each connection the others go
/// first. As soon as the server has answered one of those, or where none of them has work, what is in flight is let run out, and one suspect
/// goes alone: the one with the fewest hang-ups. A hang-up over a transfer that is alone is that transfer's own.
struct TurnRule: Sendable {
    /// Who may send requests.
    enum Turn: Hashable, Sendable {
        /// Every transfer that is no suspect.
        case everybodyElse
        /// Nobody, until the answers that are owed have come.
        case nobody
        case alone(Transfer)
    }

    /// Whose turn it is.
    private(set) var current = Turn.everybodyElse
    /// The suspect that has its turn.
    private(set) var alone: Transfer?
    /// Whether the server answered anything but a suspect on this connection.
    private var hasAnswered = false

    /// Decides whose turn it is. `suspect` is the one with the fewest hang-ups that could ask, nil where there is none; `othersHaveWork` whether
    /// anybody else could; `isQuiet` whether no answer is owed.
    mutating func next(suspect: Transfer?, isAloneUnderWay: Bool, othersHaveWork: Bool, isQuiet: Bool) -> Turn {
        current = turn(suspect, isAloneUnderWay, othersHaveWork, isQuiet)
        return current
    }

    private mutating func turn(
        _ suspect: Transfer?, _ isAloneUnderWay: Bool, _ othersHaveWork: Bool, _ isQuiet: Bool
    ) -> Turn {
        if let alone {
            if isAloneUnderWay { return .alone(alone) }
            self.alone = nil
        }
        guard let suspect, hasAnswered || !othersHaveWork else { return .everybodyElse }
        guard isQuiet else { return .nobody }
        alone = suspect
        return .alone(suspect)
    }

    /// The server answered a transfer.
    mutating func answered(_ transfer: Transfer) {
        if alone == transfer { alone = nil } else { hasAnswered = true }
    }

    /// The connection ended: on the next one the others go first again.
    mutating func connectionLost() { (alone, hasAnswered) = (nil, false) }
}
