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

    package var description: String {
        switch self {
        case .badJSON: "1001: the message was not understood"
        case .tokenInvalid: "1010: the token is not valid"
        case .uidInvalid: "1011: the server does not know this user"
        case .fileNotExists: "1012: no such file"
        case .saveProgressFailed: "1013: the server could not save the progress"
        case .createPathFailed: "1014: the server could not create the folder"
        case .writePermission: "1015: the server may not write the file"
        case .readPermission: "1016: the server may not read the file"
        case .seqInvalid: "1017: wrong sequence number"
        case .offsetInvalid: "1018: the offset lies outside the file"
        case .readFailed: "1019: the server could not read the file"
        case .progressLost: "1020: the server has lost the progress"
        }
    }
}
