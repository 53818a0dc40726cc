import AvatarCore
import Testing
import TransferMachines

/// What the server's refusal of a chunk is about.
@Suite struct UploadRefusalTests {
    @Test(arguments: [
        (UploadRefusalReason.name, UploadRefusal.Cause.file), (.tooLarge, .file), (.quota, .account),
        (.tooManyUploads, .account), (.noRoom, .server), (.notWritable, .server), (.unavailable, .server),
        (.closed, .server),
    ])
    func ourServerTellsWhatItIsAbout(reason: UploadRefusalReason, cause: UploadRefusal.Cause) {
        #expect(UploadRefusal(code: 1015, reason: reason).cause == cause)
    }

    /// A code alone may be a full disk each time: nothing is given up for it.
    @Test(arguments: ClassicError.allCases.map(\.rawValue) + [1, 507, 503, 9999, -1])
    func aCodeAloneMayPass(code: Int) {
        let refusal = UploadRefusal(code: code)
        #expect(refusal.cause == .server)
        #expect(refusal.detail.contains("\(code)"), "a person can look the code up")
    }

    @Test func everyReasonHasWordsOfItsOwn() {
        let details = UploadRefusalReason.allCases.map { UploadRefusal(code: 1015, reason: $0).detail }
        #expect(Set(details.map { ExactString($0) }).count == UploadRefusalReason.allCases.count)
    }
}
