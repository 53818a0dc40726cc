internal import AvatarCache
internal import AvatarCore
internal import PosixFiles
internal import TransferMachines

extension DiskWorker {
    /// One step of a commit for all its files; what came of it for each.
    func commit(_ step: CommitMachine.Step, _ items: [CommitMachine.Item]) -> [CommitOutcome] {
        let outcomes = outcomes(of: step, items)
        // What left the round is nothing that is being replaced any more.
        for outcome in outcomes where outcome.outcome != .done { verified[outcome.name] = nil }
        return outcomes
    }

    private func outcomes(of step: CommitMachine.Step, _ items: [CommitMachine.Item]) -> [CommitOutcome] {
        let names = items.map(\.name)
        do throws(CacheError) {
            switch step {
            case .verify: return try verify(items)
            case .syncParts: return try sync(names)
            case .writeIntents: try cache.writeIntents(try candidates(items))
            case .rename: return try rename(names)
            case .syncFolder: try cache.syncCacheFolder(placed: names)
            case .record: return try record(items)
            }
            return names.map { CommitOutcome($0, .done) }
        } catch {
            let outcome: CommitMachine.Outcome = error.code == .diskFull ? .diskFull : .failed(error.description)
            return names.map { CommitOutcome($0, outcome) }
        }
    }

    private func sync(_ names: [AvatarName]) throws(CacheError) -> [CommitOutcome] {
        zip(names, try cache.syncParts(names)).map { name, outcome in
            guard case .discarded(let error) = outcome else { return CommitOutcome(name, .done) }
            return CommitOutcome(name, error.code == .diskFull ? .diskFull : .failed(error.description))
        }
    }

    private func verify(_ items: [CommitMachine.Item]) throws(CacheError) -> [CommitOutcome] {
        let verdicts = try cache.verify(items.map(\.name))
        return zip(items, verdicts).map { item, verdict in
            switch verdict {
            case .success(let part):
                verified[item.name] = part
                return CommitOutcome(item.name, .done)
            case .failure(let error):
                guard let posix = error.posix else { return CommitOutcome(item.name, .corrupt(error.description)) }
                return CommitOutcome(item.name, posix.isDiskFull ? .diskFull : .failed(posix.description))
            }
        }
    }

    private func candidates(_ items: [CommitMachine.Item]) throws(CacheError) -> [CommitCandidate] {
        items.compactMap { item in
            guard let part = verified[item.name] else { return nil }
            switch item.origin {
            case .download(_, let owner):
                return CommitCandidate(
                    name: item.name, owner: owner, origin: .downloaded, part: part, lastWanted: now())
            case .crop:
                return CommitCandidate(
                    name: item.name, owner: uid, origin: .own, part: part, lastWanted: now())
            }
        }
    }

    private func rename(_ names: [AvatarName]) throws(CacheError) -> [CommitOutcome] {
        zip(names, try cache.renameIntoPlace(names)).map { name, outcome in
            switch outcome {
            case .placed: CommitOutcome(name, .done)
            case .nameTaken: CommitOutcome(name, .nameTaken)
            case .notVerified: CommitOutcome(name, .failed("the part changed after it was verified"))
            case .failed(let error): CommitOutcome(name, error.isDiskFull ? .diskFull : .failed(error.description))
            }
        }
    }

    private func record(_ items: [CommitMachine.Item]) throws(CacheError) -> [CommitOutcome] {
        let committed = try cache.recordFinal(items.map(\.name), at: now())
        let records = Dictionary(committed.map { ($0.avatar.name, $0) }, uniquingKeysWith: { first, _ in first })
        for item in items {
            if case .crop(let id) = item.origin { cropFacts[id] = nil }
        }
        tellIfOverfull()
        return items.map { item in
            guard let one = records[item.name] else {
                return CommitOutcome(item.name, .failed("its intent is gone from the catalog"))
            }
            return CommitOutcome(item.name, .recorded(AvatarRecord(one.avatar), [AvatarEvent(one.event)]))
        }
    }
}
