internal import AvatarCore

// Whose avatars the server tells changes of, and what follows from a change.
extension AgentMachine {
    mutating func perform(_ steps: [ChangeFollower.Action]) {
        for step in steps {
            switch step {
            case .send(let request):
                if case .http(_, .avatar(let user)) = request, user == session.login?.uid { uploads.iconAsked() }
                actions.append(.send(request))
            case .disk(let command):
                actions.append(.disk(command))
                guard case .noteChanges(let notes) = command, notes.followed != nil || !notes.avatars.isEmpty
                else { continue }
                let (users, known) = follower.counts
                log(
                    .note(
                        Note(
                            .debug, "followed: the server tells when these avatars change",
                            detail: "\(users) users, \(known) known")))
            case .avatar(let user, let name, let digest):
                avatarChanged(of: user, name, digest)
                guard user == session.login?.uid else { continue }
                guard let name else {
                    sendSavedAgain()
                    continue
                }
                // What the stream tells may be long over. While a crop is on its way it does not matter.
                if name != uploads.icon, uploads.isSettled { follower.askAgain(user) }
            case .answered(let user, let name):
                guard user == session.login?.uid, let account = session.login?.account else { continue }
                perform(uploads.iconLearned(name, of: account))
                if savedAgain == uploads.icon { savedAgain = nil } else { sendSavedAgain() }
            case .mayBeOld(let users): askAgain(users)
            case .askForAll: for user in subscribers.followedOwners { follower.askAgain(user) }
            case .loginRefused(let refusal): perform(session.refuse(refusal, now: now))
            case .tellsNothing:
                log(
                    .note(
                        Note(
                            .info, "the server does not tell of changes",
                            detail: "a picture that is shown is asked for again after cache.recheckAfter")))
            }
        }
    }

    /// Labels and pictures come and go many at once: whom to follow is looked at a little later.
    mutating func followLater() {
        guard session.login?.way == .http, followAt == nil else { return }
        followAt = now + Limits.HTTPWay.followDelay
    }

    mutating func lookWhomToFollow() {
        guard let followAt, followAt <= now else { return }
        self.followAt = nil
        guard session.login?.way == .http else { return }
        follower.follow(subscribers.owners.union(downloads.known.owners), now: now)
        showKnownAvatars()
        for user in subscribers.unknownOwners { follower.ask(user) }
    }

    /// What the catalog kept of the account: labels that wait for the names of users' avatars show them.
    mutating func followingOpened(_ facts: AccountFacts) {
        follower.accountOpened(facts.position, followed: facts.followed, avatars: facts.avatars)
        showKnownAvatars()
    }

    private mutating func showKnownAvatars() {
        for user in subscribers.unknownOwners {
            guard let avatar = follower.avatar(of: user) else { continue }
            avatarChanged(of: user, avatar.name, nil)
            expectPicture(avatar)
        }
    }

    /// What is known of the avatars of users whom these labels name alone, and no label of before.
    func knownAvatars(for requests: [LabelRequest]) -> [UserID: UserAvatar] {
        var known: [UserID: UserAvatar] = [:]
        for case .ownerOnly(let user) in requests.lazy.map(\.target) where !subscribers.isFollowed(user) {
            known[user] = follower.avatar(of: user)
        }
        return known
    }

    /// The picture that is there under an avatar's name may be another one.
    mutating func expectPicture(_ avatar: UserAvatar) {
        if let name = avatar.name, let digest = avatar.sha256 { downloads.expect(name, digest) }
    }

    /// The server has no picture of this name: users whose avatar it was have another one, perhaps.
    mutating func pictureNotThere(_ name: AvatarName) {
        for user in subscribers.users(ofAvatar: name) { follower.notThere(of: user) }
    }

    /// Has the server say which picture it holds as the user's own avatar: another program of the user may have made it another one.
    /// `savedAgain` is a picture that was saved again, and is the avatar already as far as is known.
    mutating func askForIcon(savedAgain name: AvatarName? = nil) {
        savedAgain = name ?? savedAgain
        if let login = session.login, login.way == .http { follower.askAgain(login.uid) } else { savedAgain = nil }
    }

    /// The picture that was saved again was the avatar only as far as was known.
    private mutating func sendSavedAgain() {
        if let saved = savedAgain { perform(discovery.examine(saved, .forced)) }
        savedAgain = nil
    }

    mutating func forgetFollowed() {
        savedAgain = nil
        follower.accountChanged()
        refresh(subscribers.forgetAvatars())
        followLater()
    }

    /// Whether the server would tell that the picture of this name is another one by now.
    func isFollowed(_ name: AvatarName) -> Bool {
        downloads.known.record(of: name)?.owner.map { follower.follows($0) } ?? false
    }

    /// The server said what a user's avatar is.
    private mutating func avatarChanged(of user: UserID, _ name: AvatarName?, _ digest: SHA256Digest?) {
        let names = subscribers.setAvatar(of: user, name)
        perform(downloads.lookUp(names, touch: true))
        if let name { downloads.newlyNamed(name) }
        refresh(names)
        guard let name else {
            if subscribers.isFollowed(user) {
                perform(subscribers.tellOwner(user, view(ofAvatarOf: user), now: now))
            }
            return
        }
        // What is there is shown while the server is asked for it again.
        if names.contains(name), view(of: name).state.isFinal { tellLabels(name) }
        if let digest { downloads.changed(name, digest) }
        if downloads.known.record(of: name) == nil { perform(downloads.askAnew([name], now: now)) }
    }

    /// Changes of these users' avatars may have been missed.
    private mutating func askAgain(_ users: Set<UserID>) {
        // What a label shows may still be looked up, in a catalog that knew nothing of this.
        let shown = users.compactMap { subscribers.avatarName(of: $0) ?? nil }
        for name in Set(downloads.known.names(of: users) + shown).sorted() { downloads.changed(name, nil) }
        for user in users.sorted() where subscribers.isFollowed(user) { follower.askAgain(user) }
    }

    /// Has the server asked for pictures of which its stream of changes told.
    mutating func takeUpNews() {
        for name in downloads.withNews { downloads.takeUpNews(of: name, conditions(for: name)) }
    }
}
