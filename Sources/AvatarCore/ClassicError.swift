/// The error codes of the classic dialect (docs/protocol.md, "Error codes"), as both sides speak them.
package enum ClassicError: Int, Hashable, Sendable, CaseIterable, Error, CustomStringConvertible {
    case badJSON = 1001
    case tokenInvalid = 1010
    case uidInvalid = 1011
    case fileNotExists = 1012
    case saveProgressFailed = 1013
    case createPathFailed = 1014
    case writePermission = 1015
    case readPermission = 1016
    case seqInvalid = 1017
    case offsetInvalid = 1018
    case readFailed = 1019
    case progressLost = 1020

    /// The seed's code for "no error".
    package static let success = 0

    /// In words, and the code behind them, for whoever reads the other side's log.
    package var description: String {
        switch self {
        case .badJSON: "the message was not understood (1001)"
        case .tokenInvalid: "the token is not valid (1010)"
        case .uidInvalid: "the server does not know this user (1011)"
        case .fileNotExists: "no such file (1012)"
        case .saveProgressFailed: "the server could not save the progress (1013)"
        case .createPathFailed: "the server could not create the folder (1014)"
        case .writePermission: "the server may not write the file (1015)"
        case .readPermission: "the server may not read the file (1016)"
        case .seqInvalid: "wrong sequence number (1017)"
        case .offsetInvalid: "the offset lies outside the file (1018)"
        case .readFailed: "the server could not read the file (1019)"
        case .progressLost: "the server has lost the progress (1020)"
        }
    }
}
