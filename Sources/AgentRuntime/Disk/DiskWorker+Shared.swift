internal import AvatarCache
internal import AvatarCore
internal import Logging
internal import TransferMachines

// One folder that is cache and upload folder at once (DESIGN.md, "Two folders"): facts for the rule, and what it decided.
extension DiskWorker {
    /// What speaks for and against a complete picture that was closed in the shared folder.
    func candidate(_ facts: CropFacts) throws(CacheError) -> Examination {
        guard try !cache.isOwnWrite(facts.name, identity: facts.identity, sha256: facts.sha256) else { return .known }
        var candidate = SharedFolderRule.Candidate()
        candidate.owner = try catalog.avatars(named: [facts.name])[facts.name]?.owner
        if let earlier = try catalog.crop(facts.name), earlier.identity.inode == facts.identity.inode {
            candidate.incompleteCloses = earlier.incompleteCloses
        }
        // A whole picture's closes have all happened: once they are handed over, the machine has counted them.
        do { try flushWatch?() } catch { logger.warning("the folder watch is gone", metadata: ["detail": "\(error)"]) }
        candidates[facts.name] = facts
        return .candidate(candidate)
    }

    func judged(_ name: AvatarName, _ refusal: SharedFolderRule.Refusal?) {
        guard let facts = candidates.removeValue(forKey: name) else { return }
        guard let refusal else {
            do throws(CacheError) {
                results.append(.examined(name, .crop(try recorded(facts))))
            } catch {
                results.append(.examined(name, .failed(error.fault)))
            }
            return
        }
        quietly("remembering that \(name) is no crop") { () throws(CacheError) in
            try catalog.recordRejected(
                name, identity: facts.identity, reason: refusal.rawValue, incomplete: refusal == .appended)
        }
    }

    /// Takes a complete picture at `name` for what it is, where nothing is recorded of it yet.
    func adopt(_ name: AvatarName) {
        quietly("adopting \(name)") { () throws(CacheError) in
            guard case .success(let file)? = try cache.examine(name) else { return }
            guard let adopted = try adopt(FoundFile(name: name, origin: .foreign, file: file)) else { return }
            results.append(.adopted(adopted.record, adopted.events))
        }
    }

    /// The crop lies where its copy would.
    func adoptCrop(_ id: CropID, _ facts: CropFacts) throws(CacheError) {
        let found = FoundFile(name: facts.name, owner: uid, origin: .foreign, file: VerifiedPart(crop: facts))
        guard let adopted = try adopt(found) else {
            return results.append(.cropNotStaged(id, .failed("the catalog does not keep it")))
        }
        cropFacts[id] = nil
        results.append(.cropAdopted(id, adopted.record, adopted.events))
    }

    private func adopt(_ found: FoundFile) throws(CacheError) -> (record: AvatarRecord, events: [AvatarEvent])? {
        let committed = try cache.adopt([found], at: now())
        guard let row = try catalog.avatars(named: [found.name])[found.name] else { return nil }
        return (AvatarRecord(row), committed.map { AvatarEvent($0.event) })
    }
}
