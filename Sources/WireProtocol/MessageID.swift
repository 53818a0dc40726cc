/// The message ids of the classic dialect (docs/protocol.md, "Messages"). An id that is none of these gets no reply, and the
/// connection stays usable.
package enum MessageID {
    package static let testRequest: UInt16 = 1001
    package static let testReply: UInt16 = 1002
    package static let uploadFileRequest: UInt16 = 1003
    package static let uploadFileReply: UInt16 = 1004
    package static let syncFileRequest: UInt16 = 1005
    package static let syncFileReply: UInt16 = 1006
    package static let uploadHeadRequest: UInt16 = 1031
    package static let uploadHeadReply: UInt16 = 1032
    package static let downloadRequest: UInt16 = 1033
    package static let downloadReply: UInt16 = 1034
}
