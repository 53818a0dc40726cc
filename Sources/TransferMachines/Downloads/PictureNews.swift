internal import AvatarCore

/// What the server's stream of changes said of pictures, until an answer to a question that was asked afterwards bears it out.
///
/// The stream tells each change once. So what it said must outlive a connection that is lost, a fetch that was on its way before, and an answer
/// that is none.
struct PictureNews: Sendable {
    private struct Entry: Sendable {
        /// What the picture is now; nil where it is only known that the picture may be another.
        var digest: SHA256Digest?
        /// Whether the server was asked since.
        var isAsked = false
        /// How often the answer was another than the stream's.
        var contradictions = 0
        /// How often in a row the server failed, and until when it is left alone for that.
        var failures = 0
        var pausedUntil: MonotonicTime?
    }

    private var entries: [AvatarName: Entry] = [:]
    /// What the server once said of pictures that nobody has looked up in the catalog yet.
    private var expected: [AvatarName: SHA256Digest] = [:]
    /// Names of which the server is to be asked as soon as that may be.
    private(set) var due: Set<AvatarName> = []

    /// Whether something was said and is not borne out.
    func isThere(of name: AvatarName) -> Bool { entries[name] != nil }

    /// The digest that the stream told; nil for none.
    func digest(of name: AvatarName) -> SHA256Digest? { entries[name]?.digest }

    /// The stream said that the picture is this one, or may be another. `current` is the one that is there.
    mutating func heard(_ name: AvatarName, _ digest: SHA256Digest?, current: SHA256Digest?) {
        if let digest, digest == current { return forget(name) }
        entries[name] = Entry(digest: digest ?? entries[name]?.digest)
        due.insert(name)
    }

    /// The server once said that the picture is this one; the catalog will say which one is there.
    mutating func expect(_ name: AvatarName, _ digest: SHA256Digest) { expected[name] = digest }

    /// The catalog says that there is no picture of this name.
    mutating func notThere(_ name: AvatarName) { expected[name] = nil }

    /// The catalog says which picture is there, whether the stream said in an earlier run that it may be another (`isDoubted`), and whether it
    /// came from a server at all.
    mutating func lookedUp(_ name: AvatarName, _ digest: SHA256Digest, isDoubted: Bool, isFetched: Bool) {
        let isOther = expected.removeValue(forKey: name).map { $0 != digest && isFetched } ?? false
        if entries[name]?.digest == digest { return forget(name) }
        if isDoubted || isOther { heard(name, nil, current: nil) } else { askAgain(name) }
    }

    /// The server is asked for the picture now.
    mutating func asked(_ name: AvatarName) {
        entries[name]?.isAsked = true
        due.remove(name)
    }

    /// Whoever wants the picture asks when that may be; nothing is done now.
    mutating func putOff(_ name: AvatarName) { due.remove(name) }

    /// There is a new reason to ask: somebody wants the picture, a pause is over, or what was asked will not be answered.
    mutating func askAgain(_ name: AvatarName) {
        guard entries[name] != nil else { return }
        entries[name]?.isAsked = false
        entries[name]?.pausedUntil = nil
        due.insert(name)
    }

    /// The server's answer: this picture is there now. Whether that is what the stream said, or believed after all.
    mutating func answered(_ name: AvatarName, _ digest: SHA256Digest) {
        guard let entry = entries[name] else { return }
        if let told = entry.digest, told != digest {
            // What was asked before the stream spoke says nothing. Of what was asked since one of the two is late, and not for ever.
            let count = entry.contradictions + (entry.isAsked ? 1 : 0)
            guard count <= Limits.HTTPWay.contradictionsMax else { return forget(name) }
            entries[name]?.contradictions = count
            askAgain(name)
        } else if entry.digest != nil || entry.isAsked {
            forget(name)
        } else {
            askAgain(name)
        }
    }

    /// The server refuses the picture for a reason that will not pass by itself.
    mutating func refused(_ name: AvatarName) {
        if entries[name]?.isAsked == true { forget(name) } else { askAgain(name) }
    }

    /// The server failed, or sent no picture: when it is to be asked again; nil where there is nothing to ask.
    mutating func failed(_ name: AvatarName, _ reason: AbsenceReason, now: MonotonicTime) -> MonotonicTime? {
        guard let entry = entries[name] else { return nil }
        let until = now + Negative.timeToLive(reason, of: name, attempts: entry.failures + 1)
        entries[name]?.failures += 1
        entries[name]?.isAsked = false
        entries[name]?.pausedUntil = until
        due.remove(name)
        return until
    }

    /// Whether the server has been left alone for long enough.
    func isPauseOver(_ name: AvatarName, now: MonotonicTime) -> Bool {
        entries[name]?.pausedUntil.map { $0 <= now } ?? false
    }

    /// Names for which the server is left alone, each until when.
    var pauses: [(AvatarName, MonotonicTime)] {
        entries.compactMap { name, entry in entry.pausedUntil.map { (name, $0) } }
    }

    /// The picture is not there any more, or nobody cares: what was said of it is in the catalog.
    mutating func forget(_ name: AvatarName) {
        entries[name] = nil
        expected[name] = nil
        due.remove(name)
    }

    /// Another server has pictures of its own; and yet what was said is said only once.
    mutating func accountChanged() {
        expected = [:]
        for name in entries.keys { entries[name] = Entry() }
        due = Set(entries.keys)
    }
}
