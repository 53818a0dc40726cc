internal import AvatarCache
internal import AvatarCore
internal import TransferMachines

// What subscribers ask of the catalog.
extension DiskWorker {
    func readEvents(_ stream: StreamID, since: Int64?, epoch: String?) {
        do throws(CacheError) {
            let last = try catalog.lastCursor()
            let current = catalog.opening.epoch
            var page = TransferMachines.EventPage(epoch: current, cursor: last, reset: false, events: [], rows: [])
            if let since {
                switch try catalog.events(
                    after: since, epoch: epoch ?? current, limit: Limits.Labels.changesPerReplyMax)
                {
                case .reset: page.reset = true
                case .events(let events): page.events = events.map { AvatarEvent($0) }
                }
            }
            page.rows = try rows(Array(Set(page.events.map(\.name))).sorted())
            results.append(.events(stream, page))
        } catch {
            results.append(.refused(stream, .storage(error.description)))
        }
    }

    func list(_ stream: StreamID, state: AvatarView.State?, after: AvatarName?, limit: Int) {
        do throws(CacheError) {
            let names = try catalog.list(filter(for: state), after: after, limit: limit).map(\.name)
            results.append(.listed(stream, try rows(names), next: names.count == limit ? names.last : nil))
        } catch {
            results.append(.refused(stream, .storage(error.description)))
        }
    }

    private func filter(for state: AvatarView.State?) -> ListFilter {
        switch state {
        case nil: .all
        case .ready: .ready
        case .outgoing: .outgoing
        case .pending, .paused: .pending
        case .absent: .absent
        case .failed, .builtin: .failed
        }
    }

    func forget(_ name: AvatarName) {
        quietly("forgetting \(name)") { () throws(CacheError) in
            try cache.discardParts([name])
            try catalog.clearNegatives([name])
            guard let event = try cache.forget(name, at: now()) else { return }
            results.append(.vanished(name, [AvatarEvent(event)]))
        }
    }
}
