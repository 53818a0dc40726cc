package import AvatarCore
internal import DequeModule

/// The order in which finished parts become pictures, for many files at once (`docs/architecture.md`, "A commit").
///
/// Verify, sync the data, a durable intent, rename, sync the folder, the final row and its events; only then is anybody told. The disk
/// thread drives the machine: parts that were finished while a round was under way share the next one, so that a thousand small files
/// do not wait for a thousand syncs.
package struct CommitMachine: Sendable {
    /// One part that is all there.
    package struct Item: Hashable, Sendable {
        /// The final name.
        package let name: AvatarName
        /// What the final row says besides what verification finds.
        package let origin: Origin

        /// A part to commit.
        package init(name: AvatarName, origin: Origin) {
            self.name = name
            self.origin = origin
        }
    }

    /// Where a part's bytes came from.
    package enum Origin: Hashable, Sendable {
        /// Fetched; whose picture it is, where the server tells.
        case download(owner: UserID?)
        /// A copy of the user's own crop, which is on the server.
        case crop(CropID)
    }

    /// One step of a round, for all its files.
    package enum Step: Int, Hashable, Sendable, CaseIterable {
        /// Size and structure, and the SHA-256 for the catalog.
        case verify
        /// The parts' bytes are on the disk.
        case syncParts
        /// One durable row for each: name, inode, digest.
        case writeIntents
        /// Each part gets its final name, over nothing but the same name's earlier picture.
        case rename
        /// The folder's entries are on the disk.
        case syncFolder
        /// Final rows and events, in one transaction; parts and intents are forgotten.
        case record
    }

    /// How a step went for one file.
    package enum Outcome: Hashable, Sendable {
        case done
        /// The bytes are no complete picture of the promised size.
        case corrupt(String)
        /// The bytes are a picture of the format with this name, which is not taken.
        case unsupported(String)
        /// The name is there for somebody else.
        case nameTaken
        /// No room on the cache's disk.
        case diskFull
        /// No room on the catalog's disk.
        case catalogFull
        /// The disk or the catalog failed otherwise.
        case failed(String)
        /// The last step: the picture is there.
        case recorded(AvatarRecord, [AvatarEvent])
    }

    /// Whether the steps that sync are taken (`storage.sync: full`).
    package let durable: Bool
    private var waiting = Deque<Item>()
    private var round: [Item] = []
    private var step: Step?

    /// Nothing to commit yet.
    package init(durable: Bool) { self.durable = durable }

    /// Files that wait or are under way.
    package var count: Int { waiting.count + round.count }

    /// These parts are all there; the step to take now, when no round is under way.
    package mutating func add(_ items: [Item]) -> (Step, [Item])? {
        waiting += items
        return step == nil ? begin() : nil
    }

    /// The current step is over, with an outcome for each file of the round. What to do next, and the files that leave the round.
    package mutating func finished(
        _ finished: Step, _ outcomes: [(AvatarName, Outcome)]
    ) -> (next: (Step, [Item])?, ended: [(Item, Outcome)]) {
        guard finished == step else { return (nil, []) }
        let byName = Dictionary(outcomes, uniquingKeysWith: { first, _ in first })
        var ended: [(Item, Outcome)] = []
        var going: [Item] = []
        for item in round {
            switch byName[item.name] ?? .failed("the step said nothing of it") {
            case .done where finished != .record: going.append(item)
            case let outcome: ended.append((item, outcome))
            }
        }
        round = going
        guard let next = following(finished), !round.isEmpty else {
            step = nil
            round = []
            return (begin(), ended)
        }
        step = next
        return ((next, round), ended)
    }

    private func following(_ step: Step) -> Step? {
        guard let next = Step(rawValue: step.rawValue + 1) else { return nil }
        if !durable, next == .syncParts || next == .syncFolder { return following(next) }
        return next
    }

    private mutating func begin() -> (Step, [Item])? {
        guard !waiting.isEmpty else { return nil }
        var names: Set<AvatarName> = []
        while round.count < Limits.Commit.groupMax, let item = waiting.first, names.insert(item.name).inserted {
            round.append(item)
            waiting.removeFirst()
        }
        step = .verify
        return (.verify, round)
    }
}
