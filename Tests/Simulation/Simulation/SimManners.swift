internal import TransferMachines

/// What a server that speaks HTTP does that it should not, and how often; drawn from a life's seed, and over in peace.
struct SimManners: CustomStringConvertible {
    /// A response ends in its middle: with the connection, with a reset of this one, or as if that were all.
    var halves = 0.0
    /// A range is answered with the whole.
    var wholes = 0.0
    /// What was not asked under a condition has not changed, says the server.
    var notModified = 0.0
    /// The digest or the tag is another's.
    var wrongDigests = 0.0
    var wrongTags = 0.0
    /// 429 or 503, with and without Retry-After.
    var busy = 0.0
    /// 500.
    var failures = 0.0
    /// A stream of changes ends after a while, or goes on from an earlier place than it was asked to.
    var endings = 0.0
    var repeats = 0.0
    /// The greeting is not answered.
    var mutes = 0.0
    /// Whether pictures have a `Repr-Digest`, and tags that differ with the bytes.
    var hasDigests = true
    var hasConstantTags = false
    /// How often the log of changes is lost or cut, the server sends its clients away, or shows a certificate that nobody trusts.
    var resets = 0
    var goAways = 0
    var badCertificates = 0

    init() {}

    init(random: inout SeededRandom) {
        func rate(_ top: Double, _ random: inout SeededRandom) -> Double {
            random.happens(0.5) ? 0 : Double(random.next() >> 11) * 0x1p-53 * top
        }
        func count(_ top: Int, _ random: inout SeededRandom) -> Int { random.happens(0.5) ? 0 : random.pick(1...top) }
        halves = rate(0.3, &random)
        wholes = rate(0.5, &random)
        notModified = rate(0.1, &random)
        wrongDigests = rate(0.1, &random)
        wrongTags = rate(0.3, &random)
        busy = rate(0.3, &random)
        failures = rate(0.1, &random)
        endings = rate(0.5, &random)
        repeats = rate(0.5, &random)
        mutes = rate(0.2, &random)
        hasDigests = random.happens(0.8)
        hasConstantTags = random.happens(0.2)
        resets = count(2, &random)
        goAways = count(3, &random)
        badCertificates = count(2, &random)
    }

    /// In peace.
    mutating func mend() {
        (halves, wholes, notModified, wrongDigests, wrongTags) = (0, 0, 0, 0, 0)
        (busy, failures, endings, repeats, mutes) = (0, 0, 0, 0, 0)
        hasConstantTags = false
    }

    var description: String {
        """
        halves \(halves), wholes \(wholes), not modified \(notModified), wrong digests \(wrongDigests) and tags \(wrongTags), \
        busy \(busy), failing \(failures), streams end \(endings) and repeat \(repeats), mute \(mutes), \
        digests \(hasDigests), constant tags \(hasConstantTags), resets \(resets), GOAWAY \(goAways), \
        bad certificates \(badCertificates)
        """
    }
}
