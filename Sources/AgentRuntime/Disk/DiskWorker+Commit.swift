internal import AvatarCache
internal import AvatarCore
internal import PosixFiles
internal import TransferMachines

// Parts, and what makes pictures of them.
extension DiskWorker {
    // MARK: Parts

    /// What a file system cannot take under any circumstances is the name's fault, and no reason to stop all others.
    private func failure(of name: AvatarName, _ error: CacheError) -> DiskResult {
        guard let posix = error.posix, posix.isOfTheName else { return .partFailed(name, fault(of: error)) }
        return .partRefused(name, reason: posix.description)
    }

    /// Writes what came together: parts that begin, and chunks behind those that are held.
    func write(_ batch: ChunkBatch) {
        guard !batch.isEmpty else { return }
        let starts = batch.begins.map { name, plan in
            PartStart(
                name: name, totalSize: plan.totalSize, chunkSize: plan.chunkSize, serverKey: accountKey ?? "",
                sha256: plan.sha256, tag: plan.tag)
        }
        do throws(CacheError) {
            let written = try cache.writeParts(beginning: starts, appending: batch.appends, now: clock.now)
            for name in written.unbegun.keys.sorted() {
                if let error = written.unbegun[name] { results.append(failure(of: name, error)) }
            }
            // Of chunks that came together the last one's word is enough.
            var last: [AvatarName: Int] = [:]
            for (index, append) in batch.appends.enumerated() { last[append.name] = index }
            for (index, (append, outcome)) in zip(batch.appends, written.appended).enumerated() {
                switch outcome {
                case .held where last[append.name] != index: break
                case .held(let end): results.append(.wrote(append.name, through: end))
                case .failed(let error): results.append(failure(of: append.name, error))
                case .noPart where written.unbegun[append.name] != nil: break
                case .noPart, .wrongOffset, .pastEnd: results.append(.partLost(append.name))
                }
            }
        } catch {
            for (name, _) in batch.begins { results.append(.partFailed(name, fault(of: error))) }
            for append in batch.appends { results.append(.partFailed(append.name, fault(of: error))) }
        }
    }

    // MARK: Commits

    /// Drives the commit machine through its rounds, and tells how each file's commit ended.
    func commit(_ items: [CommitMachine.Item]) {
        guard !items.isEmpty else { return }
        var machine = CommitMachine(durable: catalog.sync == .full)
        var verified: [AvatarName: VerifiedPart] = [:]
        var outcomes: [CommitOutcome] = []
        var next = machine.add(items)
        while let (step, round) = next {
            let result = machine.finished(step, self.outcomes(of: step, round, &verified))
            outcomes += result.ended.map { CommitOutcome($0, $1) }
            next = result.next
        }
        results.append(.committed(outcomes))
    }

    /// One step for all files of a round; how it went for each.
    private func outcomes(
        of step: CommitMachine.Step, _ items: [CommitMachine.Item], _ verified: inout [AvatarName: VerifiedPart]
    ) -> [(AvatarName, CommitMachine.Outcome)] {
        let names = items.map(\.name)
        do throws(CacheError) {
            switch step {
            case .verify: return try verify(items, &verified)
            case .syncParts:
                return zip(names, try cache.syncParts(names)).map { name, outcome in
                    switch outcome {
                    case .synced: (name, .done)
                    case .discarded(let error): (name, self.outcome(of: error))
                    }
                }
            case .writeIntents: try cache.writeIntents(items.compactMap { candidate($0, verified[$0.name]) })
            case .rename: return try rename(names)
            case .syncFolder: try cache.syncCacheFolder(placed: names)
            case .record: return try record(items)
            }
            return names.map { ($0, .done) }
        } catch {
            return names.map { ($0, outcome(of: error)) }
        }
    }

    private func outcome(of error: CacheError) -> CommitMachine.Outcome {
        switch fault(of: error) {
        case .full: .diskFull
        case .stateFull: .catalogFull
        case .failed(let detail): .failed(detail)
        }
    }

    private func verify(
        _ items: [CommitMachine.Item], _ verified: inout [AvatarName: VerifiedPart]
    ) throws(CacheError) -> [(AvatarName, CommitMachine.Outcome)] {
        let names = items.map(\.name)
        var outcomes: [(AvatarName, CommitMachine.Outcome)] = []
        for (item, verdict) in zip(items, try cache.verify(names)) {
            switch verdict {
            case .success(let part):
                if let same = try samePicture(item, part) {
                    outcomes.append((item.name, .unchanged(same)))
                } else {
                    verified[item.name] = part
                    outcomes.append((item.name, .done))
                }
            case .failure(let error): outcomes.append((item.name, outcome(of: error)))
            }
        }
        return outcomes
    }

    private func outcome(of error: PartError) -> CommitMachine.Outcome {
        if let posix = error.posix { return posix.isDiskFull ? .diskFull : .failed(posix.description) }
        if let image = error.image, image.code == .unsupported { return .unsupported(image.detail) }
        // A part that is gone is fetched again; bytes that are no picture, or not the promised one, are not to be had for now.
        return error.code == .missing ? .failed(error.description) : .corrupt(error.description)
    }

    /// The picture that lies there as its row says, when it was fetched earlier and has the very bytes of the part. It stays, so that
    /// whoever shows it need not read it again, and the part goes.
    private func samePicture(
        _ item: CommitMachine.Item, _ part: VerifiedPart
    ) throws(CacheError) -> AvatarRecord? {
        guard case .download = item.origin, let row = try catalog.avatars(named: [item.name])[item.name],
            row.origin == .downloaded, row.sha256 == part.sha256, try isIntact(row)
        else { return nil }
        try cache.discardParts([item.name])
        try catalog.noteChecked([item.name], at: now())
        return AvatarRecord(row)
    }

    private func candidate(_ item: CommitMachine.Item, _ part: VerifiedPart?) -> CommitCandidate? {
        guard let part else { return nil }
        switch item.origin {
        case .download(let owner):
            return CommitCandidate(name: item.name, owner: owner, origin: .downloaded, part: part, lastWanted: now())
        case .crop:
            return CommitCandidate(name: item.name, owner: account?.uid, origin: .own, part: part, lastWanted: now())
        }
    }

    private func rename(_ names: [AvatarName]) throws(CacheError) -> [(AvatarName, CommitMachine.Outcome)] {
        zip(names, try cache.renameIntoPlace(names)).map { name, outcome in
            switch outcome {
            case .placed: (name, .done)
            case .nameTaken: (name, .nameTaken)
            case .notVerified: (name, .failed("the part changed after it was verified"))
            case .failed(let error): (name, error.isDiskFull ? .diskFull : .failed(error.description))
            }
        }
    }

    private func record(_ items: [CommitMachine.Item]) throws(CacheError) -> [(AvatarName, CommitMachine.Outcome)] {
        let committed = try cache.recordFinal(items.map(\.name), at: now())
        let records = Dictionary(committed.map { ($0.avatar.name, $0) }, uniquingKeysWith: { first, _ in first })
        for item in items {
            if case .crop(let id) = item.origin { cropFacts[id] = nil }
        }
        return items.map { item in
            guard let one = records[item.name] else {
                return (item.name, .failed("its intent is gone from the catalog"))
            }
            return (item.name, .recorded(AvatarRecord(one.avatar), [AvatarEvent(one.event)]))
        }
    }
}

extension PartRow {
    /// The part as a download goes on from it.
    var machinePart: Part {
        Part(
            plan: PartPlan(totalSize: totalSize, chunkSize: chunkSize, sha256: sha256, tag: tag), held: offset,
            begun: startedAt)
    }
}

extension AvatarRecord {
    init(_ row: AvatarRow) {
        self.init(
            name: row.name, owner: row.owner, size: row.identity.size, sha256: row.sha256, assurance: row.assurance,
            generation: row.generation, isOwn: row.origin == .own)
    }
}

extension AvatarEvent {
    init(_ row: EventRow) {
        self.init(
            cursor: row.cursor, kind: Kind(row.kind), name: row.name, at: row.at, size: row.facts.size,
            reason: row.facts.reason)
    }
}

extension AvatarEvent.Kind {
    init(_ kind: EventRow.Kind) {
        switch kind {
        case .ready: self = .ready
        case .changed: self = .changed
        case .removed: self = .removed
        case .failed: self = .failed
        case .uploaded: self = .uploaded
        case .icon: self = .icon
        case .refused: self = .refused
        }
    }
}
