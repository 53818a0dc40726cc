internal import AvatarCore

// What one owner of the machine's state says to the others.
extension AgentMachine {
    // MARK: The disk

    mutating func handle(_ result: DiskResult) {
        switch result {
        case .failed(let command, let fault): failed(command, fault)
        case .started(let facts): start(facts)
        case .accountOpened(let facts):
            // Files that changed are examined in the order in which they were closed, and others may have been closed in between.
            if !facts.doubtful.isEmpty { rescan(.crops) }
            perform(uploads.accountOpened(facts, account: session.login?.account))
        case .lookedUp(let rows): for row in rows { lookedUp(row) }
        case .logged(let events): logged(events)
        case .totals(let files, let bytes, let isOverfull):
            totals = (files, bytes)
            if isOverfull { actions.append(.disk(.evict(keep: kept))) }
        case .wrote(let name, let offset): perform(downloads.wrote(name, through: offset))
        case .partLost(let name): perform(downloads.stall(name, isStorageFine: storage.isFine))
        case .partFailed(let name, let fault):
            storageFailed(fault)
            perform(downloads.stall(name, isStorageFine: false))
        case .partRefused(let name, let reason): perform(downloads.partRefused(name, reason: reason, now: now))
        case .committed(let outcomes): for outcome in outcomes { committed(outcome.item, outcome.outcome) }
        case .examined(let name, let examination):
            let context = CropDiscovery.Context(
                user: session.login?.uid, isWanted: downloads.isWanted(name), isIcon: name == uploads.icon)
            perform(discovery.examined(name, examination, context))
        case .cropRecorded(let crop): perform(discovery.recorded(crop))
        case .cropRead(let id, let offset, let bytes):
            perform(uploads.read(id, at: offset, bytes: bytes, now: now, random: &random))
        case .cropChanged(let id): perform(uploads.cropChanged(id))
        case .cropStaged(let id):
            guard let name = uploads.cropStaged(id) else { return }
            downloads.commitsCrop(name)
            actions.append(.disk(.commit([CommitMachine.Item(name: name, origin: .crop(id))])))
        case .cropAdopted(let id, let record, let events):
            perform(uploads.cropPlaced(id, record.name))
            adopted(record, events)
        case .cropNotStaged(let id, .full):
            storageFailed(.full)
            uploads.copyStalled(id)
        case .cropNotStaged(let id, .failed(let detail)): perform(uploads.cropNotPlaced(id, detail))
        case .cropFinished(let id, let name, let events):
            let steps = uploads.cropFinished(id, name)
            perform(steps.filter { if case .iconChanged = $0 { true } else { false } })
            logged(events)
            perform(steps.filter { if case .iconChanged = $0 { false } else { true } })
        case .vanished(let name, let events): vanished([name], events)
        case .rescanned(let folder, let settled, let unnameable, let gone, let events):
            vanished(gone, [])
            if folder == .crops {
                perform(discovery.scanned(settled, unnameable: unnameable, isScanDue: isCropScanDue))
            }
            logged(events)
        case .moved(let folder):
            if folder == .crops { perform(discovery.scanEnded(isScanDue: isCropScanDue)) }
            guard !folders.isLost(folder) else { return }
            handle(.lost(folder, reason: "another folder, or none, lies at its path", remedy: nil))
        case .audited(let gone, let events, let next):
            vanished(gone, events)
            if let next { actions.append(.disk(.audit(after: next))) }
        case .adopted(let record, let events): adopted(record, events)
        case .evicted(let names, let events): vanished(names, events)
        case .forgotten(let stream): actions.append(.bus(.done(stream)))
        case .imported(let stream, let name):
            let isFollowable = session.login != nil && session.refusal == nil
            perform(subscribers.imported(stream, name, isFollowable: isFollowable, waiting: waitingReason))
            perform(discovery.examine(name, name == uploads.icon ? .normal : .forced))
        case .refused(let stream, let fault): perform(subscribers.refused(stream, fault))
        case .events(let stream, let page): eventsRead(stream, page)
        case .listed(let stream, let rows, let next):
            let views = rows.map { isKnown($0.name) ? view(of: $0.name) : AvatarView($0, now: now) }
            actions.append(.bus(.page(stream, views, next: next?.string)))
        case .probed(let fault): perform(storage.probed(fault, now: now, random: &random))
        }
    }

    private mutating func start(_ facts: StartFacts) {
        guard !hasStarted else { return }
        hasStarted = true
        if facts.isBaseline {
            log(
                .problem(
                    key: "catalog",
                    what: "the catalog was lost and made anew from the folders; nothing in them was uploaded",
                    remedy: "avatarctl upload FILE sends what should be sent"))
        }
        openAccount()
        rescan(.cache)
        rescan(.crops)
        if facts.needsAudit {
            log(.note(Note(.info, "the machine went down under the last run; every picture is read again")))
            actions.append(.disk(.audit(after: nil)))
        }
    }

    /// A command was not carried out. Whoever waits for it is told or waits on; what nobody else asks for again is kept to be done again.
    private mutating func failed(_ command: DiskCommand, _ fault: StorageFault) {
        // Old parts are looked for again in the time that a part is good for; nothing else has to wait for that.
        if case .trimParts = command {
            return log(.note(Note(.warning, "old parts are not removed", detail: "\(fault)")))
        }
        storageFailed(fault)
        switch command {
        case .probe: perform(storage.probed(fault, now: now, random: &random))
        case .start, .trimParts: break
        case .lookUp(let names, _):
            for name in names where downloads.lookUpFailed(name) {
                refresh(name)
                perform(subscribers.catalogAnswered(name))
                tellCalls(name)
            }
        case .examine(let name): perform(discovery.failed(name, fault))
        case .judge(let name, .isNew), .judge(let name, .waits): perform(discovery.failed(name, fault))
        case .rescan(let folder):
            storage.rescanLater(folder)
            if folder == .crops { perform(discovery.scanEnded(isScanDue: isCropScanDue)) }
        case .finishCrop(let id):
            perform(uploads.cropNotFinished(id))
            perform(storage.again(command))
        case .readEvents(let stream, _, _), .list(let stream, _, _, _), .importCrop(let stream, _),
            .forget(let stream, _):
            perform(subscribers.refused(stream, .storage("\(fault)")))
        // Each of these has results of its own for what can go wrong with it.
        case .beginPart, .append, .commit, .readCrop, .stageCrop: break
        case .openAccount, .touch, .discardPart, .judge, .adopt, .forgetCrop, .setCropAside, .setNegative,
            .clearNegatives, .inspect, .audit, .evict:
            perform(storage.again(command))
        }
    }

    private mutating func storageFailed(_ fault: StorageFault) {
        perform(storage.failed(fault, now: now, random: &random))
    }

    private mutating func lookedUp(_ row: CatalogRow) {
        let name = row.name
        guard let before = downloads.lookedUp(row, now: now) else { return }
        if subscribers.isFetched(name), case .failed = downloads.status(of: name) {
            actions.append(.disk(.clearNegatives([name])))
            perform(downloads.liftFailures([name]))
        }
        // Before anybody is answered: what is wanted and not there is pending from now on.
        refresh(name)
        perform(subscribers.catalogAnswered(name))
        if downloads.status(of: name) == .ready {
            // Labels of a name that was not known yet have just had their first state.
            if before == .stalled { concluded(name) } else { callsConcluded(name) }
        } else {
            tellCalls(name)
        }
        dropIfUnneeded(name)
    }

    private mutating func committed(_ item: CommitMachine.Item, _ outcome: CommitMachine.Outcome) {
        switch (outcome, item.origin) {
        case (.recorded(let record, let events), _):
            downloads.recorded(record)
            let detail = "\(record.size) bytes, \(record.assurance.rawValue)"
            log(.note(Note(.info, "complete", name: item.name.string, detail: detail)))
            storage.proven()
            if case .crop(let id) = item.origin { perform(uploads.cropPlaced(id, item.name)) }
            // Before the name may be forgotten: who follows the log is told of the picture, not of its name alone.
            logged(events)
            concluded(item.name)
        case (.diskFull, _): commitStalled(item, .full)
        case (.failed(let detail), _): commitStalled(item, .failed(detail))
        case (.corrupt(let detail), .download):
            perform(downloads.fail(item.name, .corrupt, detail: detail, now: now))
        case (.nameTaken, .download):
            let detail = "the name is there for another owner, or is not the agent's own"
            perform(downloads.fail(item.name, .nameTaken, detail: detail, now: now))
        case (.corrupt(let detail), .crop(let id)): cropNotPlaced(item.name, id, detail)
        case (.nameTaken, .crop(let id)): cropNotPlaced(item.name, id, "the name is not the agent's own")
        case (.done, _): break
        }
    }

    private mutating func commitStalled(_ item: CommitMachine.Item, _ fault: StorageFault) {
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
            if downloads.isKnown(name) { tellLabels(name) }
        }
        logged(events)
    }

    private mutating func adopted(_ record: AvatarRecord, _ events: [AvatarEvent]) {
        downloads.adopted(record)
        logged(events)
        concluded(record.name)
    }

    /// What eviction must leave: whatever somebody wants now.
    private var kept: [AvatarName] { downloads.kept.union([uploads.icon].compactMap(\.self)).sorted() }

    private mutating func eventsRead(_ stream: StreamID, _ page: EventPage) {
        let rows = Dictionary(page.rows.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let views = page.events.map { event in
            if !isKnown(event.name), let row = rows[event.name] { return AvatarView(row, now: now) }
            return view(of: event.name)
        }
        perform(subscribers.eventsRead(stream, page, views: views, now: now))
    }

    /// Whether the machine knows more of the name than the catalog's row says.
    private func isKnown(_ name: AvatarName) -> Bool { downloads.isKnown(name) || uploads.pending(name) != nil }

    private mutating func logged(_ events: [AvatarEvent]) {
        guard !events.isEmpty, subscribers.hasWatchers else { return }
        let views = events.map { isKnown($0.name) ? view(of: $0.name) : AvatarView($0) }
        perform(subscribers.logged(events, views: views, now: now))
    }

    // MARK: Calls

    mutating func handle(_ call: BusCall, _ stream: StreamID) {
        switch call {
        case .register(let requests, let keep, let heartbeat, let more, let token):
            perform(
                subscribers.register(
                    requests, keep: keep, heartbeat: heartbeat, more: more, token: token,
                    isRoom: hasRoom(for: requests.count), stream, now: now))
        case .adjust(let subscription, let add, let remove, let visible, let hidden):
            perform(
                subscribers.adjust(
                    subscription, add: add, remove: remove, visible: visible, hidden: hidden, stream))
        case .fetch(let names, let visibility, let more):
            let denial: BusFault? =
                session.login == nil
                ? .notLoggedIn
                : session.refusal.map { .serverRefused(code: $0.code, reason: $0.description) }
            let isRoom = hasRoom(for: Set(names).count { !downloads.isKnown($0) })
            perform(
                subscribers.fetch(names, visibility: visibility, more: more, denial: denial, isRoom: isRoom, stream))
        case .upload(let path, let more): perform(subscribers.upload(path, more: more, stream))
        case .get(let target): perform(subscribers.ask(.get, of: target, stream))
        case .explain(let target): perform(subscribers.ask(.explain, of: target, stream))
        case .forget(let name): perform(subscribers.ask(.forget, of: .name(name, owner: nil), stream))
        case .list(let state, let after, let limit):
            actions.append(.disk(.list(stream, state: state, after: after, limit: limit)))
        case .watch(let epoch, let since, let heartbeat, let more):
            perform(
                subscribers.watch(
                    epoch: epoch, since: since, heartbeat: heartbeat, more: more, stream, now: now))
        case .pause(let direction):
            perform(session.pause(direction.map { [$0] } ?? Direction.allCases))
            actions.append(.bus(.done(stream)))
        case .resume(let direction):
            perform(session.resume(direction.map { [$0] } ?? Direction.allCases))
            actions.append(.bus(.done(stream)))
            perform(session.hurry(now: now))
        }
    }

    /// Whether so many more names can be cared for: what is wanted without a label has no other bound.
    private func hasRoom(for count: Int) -> Bool { downloads.count + count <= Limits.Labels.wishesMax }

    private mutating func ask(
        _ question: Subscribers.Question, _ target: LabelRequest.Target, _ stream: StreamID
    ) {
        var isUnheardOf = false
        if case .name(let name, _) = target {
            guard !downloads.isUnknown(name) else { return subscribers.wait(question, of: target, name, stream) }
            isUnheardOf = downloads.isUnheardOf(name)
        }
        let view = view(of: target)
        let steps = question == .explain ? view.name.map { activity.steps(of: $0) } ?? [] : []
        perform([
            subscribers.answer(question, of: target, view, steps: steps, isUnheardOf: isUnheardOf, stream, now: now)
        ])
        if case .name(let name, _) = target { dropIfUnneeded(name) }
    }

    private mutating func fetchBegan(_ stream: StreamID, _ names: [AvatarName], count: Int, isFollowed: Bool) {
        perform(downloads.liftFailures(names))
        for name in names {
            refresh(name)
            guard downloads.isKnown(name), !downloads.isUnknown(name) else { continue }
            let avatar = view(of: name)
            if avatar.state.isFinal {
                callsConcluded(name)
            } else if isFollowed {
                actions.append(.bus(.accepted(stream, count, avatar, continues: true)))
            }
        }
    }

    // MARK: Pictures

    /// How much the name is wanted may have changed.
    private mutating func refresh(_ name: AvatarName) {
        var priority = subscribers.priority(of: name)
        if name == uploads.icon { priority = max(priority ?? .near, .near) }
        perform(downloads.setPriority(name, priority, conditions(for: name), now: now))
    }

    private func conditions(for name: AvatarName) -> Downloads.Conditions {
        Downloads.Conditions(isStorageFine: storage.isFine, isOutgoing: uploads.pending(name) != nil)
    }

    private mutating func refresh(_ names: [AvatarName]) {
        var seen: Set<AvatarName> = []
        for name in names where seen.insert(name).inserted { refresh(name) }
    }

    private mutating func dropIfUnneeded(_ name: AvatarName) {
        downloads.drop(name, isAwaited: subscribers.awaits(name))
    }

    /// Tells labels and calls of a state that counts as an end, and forgets the name when nobody is left.
    private mutating func concluded(_ name: AvatarName) {
        tellLabels(name)
        callsConcluded(name)
    }

    /// The same for calls alone, where the labels know it.
    private mutating func callsConcluded(_ name: AvatarName) {
        tellCalls(name)
        subscribers.fetchesEnded(name)
        refresh(name)
    }

    private mutating func tellLabels(_ name: AvatarName) {
        perform(subscribers.tellLabels(name, view(of: name), now: now))
    }

    private mutating func tellCalls(_ name: AvatarName) {
        if subscribers.hasFollowedFetches { perform(subscribers.tellFetches(name, view(of: name))) }
        tellUploads(name)
    }

    private mutating func tellUploads(_ name: AvatarName, failure: String? = nil, isOver: Bool = false) {
        guard subscribers.followsUpload(name) else { return }
        // An upload of what the cache has already is followed all the same.
        var avatar = outgoingView(of: name) ?? view(of: name)
        if let failure { avatar = AvatarView(name: name.string, state: .failed, reason: failure) }
        perform(subscribers.tellUploads(name, avatar, isOver: isOver, waiting: waitingReason))
    }

    // MARK: What the owners say

    mutating func log(_ entry: ActivityLog.Entry) {
        if let note = activity.record(entry, now: now) { actions.append(.note(note)) }
    }

    mutating func perform(_ steps: [Session.Action]) {
        for step in steps {
            switch step {
            case .connect(let number): actions.append(.connect(number))
            case .disconnect(let number): actions.append(.disconnect(number))
            case .connectionLost:
                turns.connectionLost()
                uploads.connectionLost()
                perform(downloads.connectionLost(isStorageFine: storage.isFine))
            case .hungUp:
                let alone = turns.alone
                perform(uploads.hungUp(alone: alone, session.login))
                perform(downloads.hungUp(alone: alone, now: now))
            case .callsEnd(let fault): perform(subscribers.callsEnd(fault))
            case .log(let entry): log(entry)
            }
        }
    }

    mutating func perform(_ steps: [Downloads.Action]) {
        for step in steps {
            switch step {
            case .send(let request): actions.append(.send(request))
            case .disk(let command): actions.append(.disk(command))
            case .log(let entry): log(entry)
            case .due(let name): downloads.want(name, conditions(for: name))
            case .concluded(let name): concluded(name)
            case .received(let name, let bytes):
                activity.bytesDown += Int64(bytes)
                if subscribers.tellsProgress(of: name, now: now) {
                    perform(subscribers.tellFetches(name, view(of: name)))
                }
            case .startedOver: activity.restarts += 1
            case .answered(let name):
                session.proven()
                turns.answered(.download(name))
            case .unneeded(let name): dropIfUnneeded(name)
            case .loginRefused(let refusal): perform(session.refuse(refusal, now: now))
            case .stray(let detail): stray(detail)
            }
        }
    }

    mutating func perform(_ steps: [Uploads.Action]) {
        for step in steps {
            switch step {
            case .send(let request): actions.append(.send(request))
            case .disk(let command): actions.append(.disk(command))
            case .log(let entry): log(entry)
            case .sending(let name, let bytes):
                activity.bytesUp += Int64(bytes)
                if subscribers.followsUpload(name), uploads.tellsProgress(now: now) { tellUploads(name) }
            case .answered(let id):
                session.proven()
                turns.answered(.upload(id))
            case .takesName(let name): perform(downloads.makeWay(for: name))
            case .changed(let name):
                tellLabels(name)
                tellUploads(name)
            case .ended(let name, let failure): tellUploads(name, failure: failure, isOver: failure == nil)
            case .iconChanged(let name):
                if name == uploads.icon, !downloads.isKnown(name) {
                    perform(downloads.lookUp([name], touch: false))
                }
                refresh(name)
            case .notPlaced(let name): refresh(name)
            case .examine(let name): perform(discovery.examineInOrder(name, isScanDue: isCropScanDue))
            case .loginRefused(let refusal): perform(session.refuse(refusal, now: now))
            case .stray(let detail): stray(detail)
            }
        }
    }

    private mutating func stray(_ detail: String) {
        activity.strayReplies += 1
        perform(session.stray(detail, now: now, random: &random))
    }

    mutating func perform(_ steps: [CropDiscovery.Action]) {
        for step in steps {
            switch step {
            case .disk(let command): actions.append(.disk(command))
            case .log(let entry): log(entry)
            case .rescan: rescan(.crops)
            case .found(let crop): perform(uploads.found(crop, account: session.login?.account))
            case .known(let name):
                perform(downloads.lookUp([name], touch: false))
                tellUploads(name)
            case .withdrawn(let name): perform(uploads.withdrawn(name))
            case .refused(let name, let reason): tellUploads(name, failure: reason)
            case .failed(let fault):
                storage.rescanLater(.crops)
                storageFailed(fault)
            }
        }
    }

    mutating func perform(_ steps: [StorageHealth.Action]) {
        for step in steps {
            switch step {
            case .disk(let command): actions.append(.disk(command))
            case .log(let entry): log(entry)
            case .recovered: storageRecovered()
            }
        }
    }

    /// What waited for the disk is taken up again.
    private mutating func storageRecovered() {
        guard hasStarted else { return actions.append(.disk(.start)) }
        let work = storage.takeWork()
        // What the catalog is told now it knows when it is asked next.
        for command in work.commands { actions.append(.disk(command)) }
        perform(downloads.storageIsFine())
        perform(uploads.storageIsFine())
        for folder in work.rescans { rescan(folder) }
    }

    mutating func perform(_ steps: [FolderHealth.Action]) {
        for step in steps {
            switch step {
            case .attach(let folder): actions.append(.attach(folder))
            case .rescan(let folder): rescan(folder)
            case .log(let entry): log(entry)
            }
        }
    }

    mutating func perform(_ steps: [Subscribers.Action]) {
        for step in steps {
            switch step {
            case .bus(let output): actions.append(.bus(output))
            case .disk(let command): actions.append(.disk(command))
            case .log(let entry): log(entry)
            case .hurry: perform(session.hurry(now: now))
            case .lookUp(let names, let touch): perform(downloads.lookUp(names, touch: touch))
            case .awaitCatalog(let stream, let names):
                for name in names { refresh(name) }
                perform(subscribers.await(names.filter { downloads.isUnknown($0) }, on: stream))
            case .snapshot(let stream):
                let views = subscribers.due(on: stream).map { view(of: $0) }
                perform(subscribers.snapshot(of: stream, views: views, now: now))
            case .fetchMissing(let names):
                for name in names where downloads.isMissing(name) { subscribers.fetchOnce(name, .near) }
                refresh(names)
            case .fetch(let stream, let names, let count, let isFollowed):
                fetchBegan(stream, names, count: count, isFollowed: isFollowed)
            case .question(let stream, let question, let target): ask(question, target, stream)
            case .reprioritize(let names): refresh(names)
            case .labelsGone(let names):
                let shown = names.filter { downloads.status(of: $0) == .ready }
                refresh(names)
                let unwanted = shown.filter { downloads.priority(of: $0) == nil }
                if !unwanted.isEmpty { actions.append(.disk(.touch(unwanted))) }
            case .unneeded(let name): dropIfUnneeded(name)
            case .uploadCallsEnd(let name): tellUploads(name, isOver: true)
            }
        }
    }
}
