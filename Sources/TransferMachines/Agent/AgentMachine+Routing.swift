internal import AvatarCore

// What one owner of the machine's state says, carried to the others and to the driver.
extension AgentMachine {
    mutating func log(_ entry: ActivityLog.Entry) {
        guard let note = activity.record(entry, now: now) else { return }
        actions.append(.note(note))
        if case .problem(_, _, _, _, let file?) = entry {
            actions.append(.disk(.logRefusal(file, reason: note.detail ?? note.what)))
        }
    }

    mutating func perform(_ steps: [Session.Action]) {
        for step in steps {
            switch step {
            case .connect(let number): actions.append(.connect(number))
            case .disconnect(let number): actions.append(.disconnect(number))
            case .connectionLost:
                turns.connectionLost()
                uploads.connectionLost()
                follower.connectionLost()
                perform(downloads.connectionLost(isStorageFine: storage.isFine))
                perform(downloads.giveUpRechecks(session.cause ?? "the connection was lost"))
                perform(session.verificationsEnd())
            case .hungUp:
                let alone = turns.alone
                perform(uploads.hungUp(alone: alone, hasAnswered: session.hasAnswered, session.login))
                perform(downloads.hungUp(alone: alone, now: now))
            case .callsEnd(let fault): perform(subscribers.callsEnd(fault))
            case .readToken(let isAsked): actions.append(.readToken(isAsked: isAsked))
            case .ask(let question): actions.append(.ask(question))
            case .verified(let streams): for stream in streams { actions.append(.bus(.verified(stream))) }
            case .notVerified(let streams, let fault):
                for stream in streams { actions.append(.bus(.failed(stream, fault))) }
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
                if !downloads.isRechecked(name), subscribers.tellsProgress(of: name, now: now) {
                    perform(subscribers.tellFetches(name, view(of: name)))
                }
            case .startedOver: activity.restarts += 1
            case .answered(let name):
                session.proven()
                turns.answered(.download(name))
            case .kept(let name, let reason): kept(name, reason: reason)
            case .unneeded(let name): dropIfUnneeded(name)
            case .loginRefused(let refusal): perform(session.refuse(refusal, now: now))
            case .stray(let detail): stray(detail)
            case .notThere(let name): pictureNotThere(name)
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
                if name == uploads.icon, !downloads.known.isKnown(name) {
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

    mutating func stray(_ detail: String) {
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
                perform(uploads.isKnown(name))
                tellUploads(name)
            case .savedAgain(let name): askForIcon(savedAgain: name)
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
    mutating func storageRecovered() {
        guard hasStarted else { return actions.append(.disk(.start)) }
        takeUpAgain()
    }

    /// Does again what failed, looks up what waited, and looks through the folders that are due.
    mutating func takeUpAgain() {
        let work = storage.takeWork()
        // What the catalog is told now it knows when it is asked next.
        for command in work.commands { actions.append(.disk(command)) }
        perform(downloads.storageIsFine())
        perform(uploads.storageIsFine())
        perform(follower.storageIsFine())
        for folder in work.rescans { rescan(folder) }
    }

    mutating func perform(_ steps: [PathHealth.Action]) {
        for step in steps {
            switch step {
            case .disk(let command): actions.append(.disk(command))
            case .attach(let folder): actions.append(.attach(folder))
            case .bindBus: actions.append(.bindBus)
            case .rescan(let folder): rescan(folder)
            case .away(let folder): if folder == .cache { cacheIsAway() }
            case .log(let entry): log(entry)
            case .end(let reason): actions.append(.end(reason: reason))
            }
        }
    }

    mutating func perform(_ steps: [Subscribers.Action]) {
        for step in steps {
            switch step {
            case .bus(let output): actions.append(.bus(output))
            case .disk(let command): actions.append(.disk(command))
            case .log(let entry): log(entry)
            case .hurry: hurry()
            case .lookUp(let names, let touch): perform(downloads.lookUp(names, touch: touch))
            case .awaitCatalog(let stream, let names):
                for name in names { refresh(name) }
                perform(downloads.askAnew(names, now: now))
                perform(subscribers.await(names.filter { downloads.known.isUnknown($0) }, on: stream))
                followLater()
            case .snapshot(let stream):
                let views = subscribers.due(on: stream).map { view(of: $0) }
                perform(subscribers.snapshot(of: stream, views: views, now: now))
            case .fetchMissing(let names):
                for name in names where downloads.known.isMissing(name) { subscribers.fetchOnce(name, .near) }
                refresh(names)
            case .fetch(let stream, let names, let count, let isFollowed):
                fetchBegan(stream, names, count: count, isFollowed: isFollowed)
            case .question(let stream, let question, let target): ask(question, target, stream)
            case .reprioritize(let names):
                refresh(names)
                followLater()
            case .labelsGone(let names):
                let shown = names.filter { downloads.known.status(of: $0) == .ready }
                refresh(names)
                let unwanted = shown.filter { downloads.known.priority(of: $0) == nil }
                if !unwanted.isEmpty { actions.append(.disk(.touch(unwanted))) }
            case .unneeded(let name): dropIfUnneeded(name)
            case .uploadCallsEnd(let name): tellUploads(name, isOver: true)
            }
        }
    }
}
