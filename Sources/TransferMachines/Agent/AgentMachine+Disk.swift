internal import AvatarCore

// What the disk found or did, and to whom that is handed.
extension AgentMachine {
    mutating func handle(_ result: DiskResult) {
        switch result {
        case .failed(let command, let fault): failed(command, fault)
        case .started(let facts): start(facts)
        case .accountOpened(let facts):
            // Files that changed are examined in the order in which they were closed, and others may have been closed in between.
            if !facts.doubtful.isEmpty { rescan(.crops) }
            perform(uploads.accountOpened(facts, account: session.login?.account))
            if let login = session.login, login.way == .http, facts.account == login.account {
                followingOpened(facts)
            }
        case .lookedUp(let rows): for row in rows { lookedUp(row) }
        case .logged(let events): logged(events)
        case .totals(let files, let bytes, let isOverfull):
            totals = (files, bytes)
            if isOverfull { actions.append(.disk(.evict(keep: kept))) }
        case .wrote(let name, let offset):
            // A server looks for a name among the pictures of the one who asks before all others.
            let owner = name == uploads.icon ? session.login?.uid : nil
            perform(downloads.wrote(name, through: offset, owner: owner))
        case .partLost(let name): perform(downloads.stall(name, isStorageFine: storage.isFine))
        case .partFailed(let name, let fault):
            if let detail = downloads.failsTooOften(name, fault) {
                return perform(downloads.partRefused(name, reason: detail, now: now))
            }
            storageFailed(fault)
            perform(downloads.stall(name, isStorageFine: false))
        case .partRefused(let name, let reason): perform(downloads.partRefused(name, reason: reason, now: now))
        case .committed(let outcomes): for outcome in outcomes { committed(outcome.item, outcome.outcome) }
        case .examined(let name, let examination):
            let context = CropDiscovery.Context(
                user: session.login?.uid, isWanted: downloads.known.isWanted(name), isIcon: name == uploads.icon,
                isLastWaiting: uploads.isLastWaiting(name), isCurrent: name == uploads.icon && uploads.isSettled)
            perform(discovery.examined(name, examination, context, now: now))
        case .appeared(let name): perform(discovery.appeared(name, isScanDue: isCropScanDue))
        case .refusedFound(let names): perform(discovery.refusedFound(names))
        case .checked(let stream, let check):
            actions.append(.bus(.checked(stream, check.without { discovery.isDue($0) })))
        case .cropRecorded(let crop): perform(discovery.recorded(crop))
        case .cropRead(let id, let offset, let bytes): uploads.read(id, at: offset, bytes: bytes)
        case .cropChanged(let id): perform(uploads.cropChanged(id))
        case .cropStaged(let id):
            guard let name = uploads.cropStaged(id) else { return }
            downloads.commitsCrop(name)
            actions.append(.disk(.commit([CommitMachine.Item(name: name, origin: .crop(id))])))
        case .cropAdopted(let id, let record, let events):
            adopted(record, events)
            perform(uploads.cropPlaced(id, record.name))
        case .cropNotStaged(let id, .failed(let detail)): perform(uploads.cropNotPlaced(id, detail))
        case .cropNotStaged(let id, let fault):
            storageFailed(fault)
            uploads.copyStalled(id)
        case .changesNoted(let notes): perform(follower.noted(notes))
        case .cropFinished(let id, let name, let events):
            perform(uploads.cropFinished(id, name, now: now))
            logged(events)
        case .vanished(let name, let events): vanished([name], events)
        case .rescanned(let folder, let settled, let unnameable, let gone, let events):
            vanished(gone, [])
            if folder == .crops {
                perform(discovery.scanned(settled, unnameable: unnameable, isScanDue: isCropScanDue))
            } else {
                perform(downloads.askAnew(downloads.known.taken, now: now))
                cacheIsLookedThrough()
            }
            logged(events)
        case .moved(let folder):
            if folder == .crops { perform(discovery.scanEnded(isScanDue: isCropScanDue)) }
            // Of one that is lost already the next event or the next try tells more.
            if !paths.isLost(.folder(folder)) { perform(paths.compare()) }
        case .audited(let gone, let events, let next):
            vanished(gone, events)
            if let next { actions.append(.disk(.audit(after: next))) }
        case .adopted(let record, let events): adopted(record, events)
        case .evicted(let names, let events): vanished(names, events)
        case .forgotten(let stream): actions.append(.bus(.done(stream)))
        case .dismissed(let stream, let name):
            perform(discovery.dismissed(name))
            actions.append(.bus(.done(stream)))
        case .imported(let stream, let name):
            let isFollowable = session.login != nil && session.refusal == nil
            perform(subscribers.imported(stream, name, isFollowable: isFollowable, waiting: waitingReason))
            // Whatever the agent holds for the icon: another agent of the user may have made another one since.
            perform(discovery.asked(name, isScanDue: isCropScanDue))
        case .refused(let stream, let fault): perform(subscribers.refused(stream, fault))
        case .events(let stream, let page): eventsRead(stream, page)
        case .listed(let stream, let rows, let next):
            let views = rows.map { isKnown($0.name) ? view(of: $0.name) : view(of: $0) }
            actions.append(.bus(.page(stream, views, next: next?.string)))
        case .probed(let fault): perform(storage.probed(fault, now: now, random: &random))
        case .pathsCompared(let findings): perform(paths.compared(findings, now: now, random: &random))
        case .stateRestored: perform(paths.stateRestored())
        case .stateNotRestored(let fault): perform(paths.stateNotRestored(fault, now: now, random: &random))
        }
    }

    private mutating func start(_ facts: StartFacts) {
        guard !hasStarted else { return }
        hasStarted = true
        paths.started(now: now)
        if facts.isBaseline {
            log(
                .problem(
                    key: "catalog",
                    what: "the catalog was lost and made anew from the folders; nothing in them was uploaded",
                    remedy: "avatarctl upload FILE sends what should be sent"))
        }
        openAccount()
        // What made a file refused may have been mended, or another version of the agent may take it.
        actions.append(.disk(.findRefused))
        rescan(.cache)
        rescan(.crops)
        if storage.isFine { takeUpAgain() }
        if facts.needsAudit {
            log(.note(Note(.info, "the machine went down under the last run; every picture is read again")))
            actions.append(.disk(.audit(after: nil)))
        }
        let early = earlyChecks
        earlyChecks = []
        // The look that a start begins with is the one that these wait for.
        for (stream, look) in early { if look { checks.append(stream) } else { check(stream, look: false) } }
    }

    /// A command was not carried out. Whoever waits for it is told or waits on; what nobody else asks for again is kept to be done again.
    private mutating func failed(_ command: DiskCommand, _ fault: StorageFault) {
        // Old parts are looked for again in the time that a part is good for; nothing else has to wait for that.
        if case .trimParts = command {
            return log(.note(Note(.warning, "old parts are not removed", detail: "\(fault)")))
        }
        if case .restoreState = command {
            return perform(paths.stateNotRestored(.failed(fault), now: now, random: &random))
        }
        storageFailed(fault)
        switch command {
        case .probe: perform(storage.probed(fault, now: now, random: &random))
        case .start:
            // It is tried again of itself; whoever asks about the folders is not kept waiting for that.
            for (stream, _) in earlyChecks { perform(subscribers.refused(stream, .storage("\(fault)"))) }
            earlyChecks = []
        case .trimParts, .restoreState: break  // Each is tried again of itself.
        case .comparePaths: perform(paths.compared([], now: now, random: &random))
        case .lookUp(let names, _):
            for name in names where downloads.lookUpFailed(name) {
                refresh(name)
                perform(subscribers.catalogAnswered(name))
                tellCalls(name)
            }
        case .examine(let name): perform(discovery.failed(name, fault))
        case .judge(let name, .isNew), .judge(let name, .waits), .judge(let name, .renamed(.waiting)):
            perform(discovery.failed(name, fault))
        case .rescan(let folder):
            storage.rescanLater(folder)
            if folder == .crops { perform(discovery.scanEnded(isScanDue: isCropScanDue)) }
        case .finishCrops(let ids):
            perform(uploads.cropsNotFinished(ids))
            perform(storage.again(command))
        case .check(let stream): perform(subscribers.refused(stream, .storage("\(fault)")))
        // A link that nobody closes is found by the next look through the folder.
        case .look:
            storage.rescanLater(.crops)
        // The next start, or the next person who asks, finds them; the next start learns it again.
        case .findRefused, .noteIcon: break
        // A later run begins the crop anew.
        case .keepLocation: break
        case .readEvents(let stream, _, _), .list(let stream, _, _, _), .importCrop(let stream, _),
            .forget(let stream, _), .dismiss(let stream, _):
            perform(subscribers.refused(stream, .storage("\(fault)")))
        // Each of these has results of its own for what can go wrong with it.
        case .beginPart, .append, .commit, .readCrop, .stageCrop: break
        case .openAccount, .touch, .discardPart, .judge, .adopt, .forgetCrop, .setCropAside, .logRefusal,
            .setNegative, .noteChecked, .clearNegatives, .inspect, .audit, .evict:
            perform(storage.again(command))
        // What is heard until then belongs into the same note: the place in the log must not be kept without it.
        case .noteChanges(let notes): follower.notNoted(notes)
        }
    }

    mutating func storageFailed(_ fault: StorageFault) {
        perform(storage.failed(fault, now: now, random: &random))
    }

    private mutating func lookedUp(_ row: CatalogRow) {
        let name = row.name
        guard let before = downloads.lookedUp(row, now: now) else { return }
        // A full disk keeps the catalog from what the stream has told.
        if let record = row.avatar, let told = follower.untold(of: name, owner: record.owner) {
            downloads.changed(name, told)
        }
        if subscribers.isFetched(name), case .failed = downloads.known.status(of: name) {
            actions.append(.disk(.clearNegatives([name])))
            perform(downloads.liftFailures([name]))
        }
        // Before anybody is answered: what is wanted and not there is pending from now on.
        refresh(name)
        if before == .unknown, downloads.known.priority(of: name) != nil {
            perform(downloads.askAnew([name], now: now))
            downloads.recheckIfOld(name, conditions(for: name), now: now)
        }
        if row.avatar?.owner != nil { followLater() }
        let notAsked = recheckIfAsked(name)
        perform(subscribers.catalogAnswered(name))
        // Labels of a name that was not known yet have just had their first state, unless the name itself is news to them.
        if downloads.takeNewlyNamed(name), downloads.known.record(of: name) != nil { tellLabels(name) }
        switch downloads.known.status(of: name) {
        // Labels that were told of a picture that waits hear how it ended.
        case .ready where before == .stalled, .failed where before == .stalled: concluded(name)
        case .ready:
            if let notAsked { kept(name, reason: notAsked) } else { callsConcluded(name) }
        default: tellCalls(name)
        }
        dropIfUnneeded(name)
    }

    private mutating func committed(_ item: CommitMachine.Item, _ outcome: CommitMachine.Outcome) {
        switch (outcome, item.origin) {
        case (.recorded(let record, let events), _):
            recorded(record)
            followLater()
            let detail = "\(record.size) bytes, \(record.assurance.rawValue)"
            log(.note(Note(.info, "complete", name: item.name.string, detail: detail)))
            storage.proven()
            if case .crop(let id) = item.origin { perform(uploads.cropPlaced(id, item.name)) }
            // Before the name may be forgotten: who follows the log is told of the picture, not of its name alone.
            logged(events)
            concluded(item.name)
        case (.unchanged(let record), _):
            let wasThere = downloads.known.record(of: item.name) != nil
            recorded(record)
            log(.step(name: item.name.string, what: "the server has the same picture"))
            if wasThere { callsConcluded(item.name) } else { concluded(item.name) }
        case (.diskFull, _): commitStalled(item, .full)
        case (.catalogFull, _): commitStalled(item, .stateFull)
        case (.failed(let detail), _): commitStalled(item, .failed(detail))
        case (.corrupt(let detail), .download):
            perform(downloads.fail(item.name, .corrupt, detail: detail, now: now))
        case (.unsupported(let format), .download):
            let reason = AbsenceReason.unsupportedFormat(format)
            perform(downloads.fail(item.name, reason, detail: reason.rawValue, now: now))
        case (.nameTaken, .download):
            let detail = "the name is there for another owner, or is not the agent's own"
            perform(downloads.fail(item.name, .nameTaken, detail: detail, now: now))
        case (.corrupt(let detail), .crop(let id)): cropNotPlaced(item.name, id, detail)
        case (.unsupported(let format), .crop(let id)):
            cropNotPlaced(item.name, id, AbsenceReason.unsupportedFormat(format).rawValue)
        case (.nameTaken, .crop(let id)): cropNotPlaced(item.name, id, "the name is not the agent's own")
        case (.done, _): break
        }
    }

    private mutating func recorded(_ record: AvatarRecord) {
        downloads.recorded(record, now: now)
        // The row says that the server was asked just now, and that was before its stream of changes said more.
        if let news = downloads.newsAfterCommit(of: record.name) { perform(follower.note(news)) }
    }

    private mutating func commitStalled(_ item: CommitMachine.Item, _ fault: StorageFault) {
        if let detail = downloads.failsTooOften(item.name, fault) {
            switch item.origin {
            case .download: perform(downloads.fail(item.name, .unsupported, detail: detail, now: now))
            case .crop(let id): cropNotPlaced(item.name, id, detail)
            }
            return
        }
        storageFailed(fault)
        downloads.commitStalled(item.name)
        if case .crop(let id) = item.origin { uploads.copyStalled(id) }
    }

    private mutating func cropNotPlaced(_ name: AvatarName, _ id: CropID, _ detail: String) {
        downloads.cropNotPlaced(name)
        actions.append(.disk(.discardPart(name)))
        perform(uploads.cropNotPlaced(id, detail))
    }

    /// Cache files went; what is wanted is fetched again.
    private mutating func vanished(_ names: [AvatarName], _ events: [AvatarEvent]) {
        for name in names where downloads.vanished(name) {
            log(.step(name: name.string, what: "gone from the cache"))
            refresh(name)
            if downloads.known.isKnown(name) { tellLabels(name) }
        }
        logged(events)
    }

    private mutating func adopted(_ record: AvatarRecord, _ events: [AvatarEvent]) {
        downloads.adopted(record)
        logged(events)
        concluded(record.name)
    }

    /// What eviction must leave: whatever somebody wants now.
    var kept: [AvatarName] { downloads.known.kept.union([uploads.icon].compactMap(\.self)).sorted() }

    private mutating func eventsRead(_ stream: StreamID, _ page: EventPage) {
        let rows = Dictionary(page.rows.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let views = page.events.map { event in
            if !isKnown(event.name), let row = rows[event.name] { return view(of: row) }
            return view(of: event.name)
        }
        perform(subscribers.eventsRead(stream, page, views: views, now: now))
    }

    /// Whether the machine knows more of the name than the catalog's row says.
    func isKnown(_ name: AvatarName) -> Bool { downloads.known.isKnown(name) || uploads.pending(name) != nil }

    mutating func logged(_ events: [AvatarEvent]) {
        guard !events.isEmpty, subscribers.hasWatchers else { return }
        let views = events.map { isKnown($0.name) ? view(of: $0.name) : AvatarView($0) }
        perform(subscribers.logged(events, views: views, now: now))
    }
}
