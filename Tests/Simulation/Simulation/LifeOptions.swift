internal import AvatarCore
internal import TransferMachines

/// What can go wrong in one life, and how often; drawn from its seed.
struct LifeOptions: CustomStringConvertible {
    var isSeedServer: Bool
    var isDurable: Bool
    var faultTime: Duration
    var friends: Int
    var crops: Int
    var pictureMax: Int
    var delayMax: Duration
    var pieces: Int
    var cutRate: Double
    var cutAfterMax: Int
    var silentRate: Double
    var killRate: Double
    var kills: Int
    var powerCutRate: Double
    var tornRate: Double
    var catalogLossRate: Double
    var serverCrashes: Int
    var forgetRate: Double
    var loseReplyRate: Double
    var partitions: Int
    var diskFulls: Int
    var flipRate: Double
    var overflowRate: Double
    var reorderRate: Double
    var watchDelayMax: Duration
    var cropsAgainRate: Double
    var cropDeletions: Int
    var replacements: Int
    var tokenChanges: Int
    var deletions: Int
    var hangUps: Int
    var clockJumps: Int
    var suspendsForAWeek: Bool
    var lags: Int
    /// The server hangs up whenever a certain crop is sent, in peace too.
    var hangsUpOnCrop: Bool
    /// The server hangs up whenever a certain picture is asked for, until peace.
    var hangsUpOnPicture: Bool
    /// How often another user logs in for a while.
    var accountSwitches: Int
    /// How often the server's disk is full for a while.
    var serverFulls: Int
    /// How often the user says of a picture that was saved before: this is my avatar now.
    var saidAgain: Int
    /// How often the server is away while something before it accepts connections.
    var absences: Int
    /// How often the upload folder is mounted over for a while, and how often it or the cache folder is removed and made again.
    var mounts: Int
    var cropsMadeAgain: Int
    var cacheMadeAgain: Int
    /// How often the folder above the cache is moved away for a while.
    var cacheMoves: Int
    /// How often the state folder is removed under the agent.
    var stateLosses: Int
    /// How many friends upload their pictures after labels have asked for them.
    var lateFriends: Int
    /// How often a person fetches a picture again that is there.
    var fetchesAgain: Int
    /// A picture that a label shows is asked for again after so long.
    var recheckAfter: Duration
    /// Crops that appear by a link: of a file that is whole, or of one that is being written elsewhere.
    var links: Int
    /// Crops that the agent may not read until somebody mends their mode.
    var modes: Int
    /// How many crops are saved in a row, so that several are under way at once.
    var cropsInARow: Int

    /// Which way the agent takes to the server.
    var way: Way
    /// What a server that speaks HTTP does that it should not.
    var manners: SimManners
    /// How many labels show whatever a friend's avatar is, and how often a friend has another one under another name, or none for a while.
    var ownerLabels: Int
    var renames: Int
    var removals: Int
    /// Crops that are too large for one request.
    var largeCrops: Int

    /// Which way the agent takes to the server; one that switches does so when it is started again.
    enum Way { case classic, http, switching }

    /// `folders` decides what happens to the folders themselves; `others` what pictures and files do that nobody closes,
    /// `moves` when the folder above the cache is moved away.
    init(
        random: inout SeededRandom, folders: inout SeededRandom, others: inout SeededRandom,
        web: inout SeededRandom, moves: inout SeededRandom
    ) {
        // Each fault is off in about half of the lives, so that their combinations are all lived through.
        func rate(_ top: Double, _ random: inout SeededRandom) -> Double {
            random.happens(0.5) ? 0 : Double(random.next() >> 11) * 0x1p-53 * top
        }
        func count(_ top: Int, _ random: inout SeededRandom) -> Int { random.happens(0.5) ? 0 : random.pick(1...top) }
        isSeedServer = random.happens(0.25)
        isDurable = random.happens(0.8)
        faultTime = .milliseconds(random.pick(2_000...30_000))
        // More than there are places on the connection, now and then.
        friends = random.happens(0.15) ? random.pick(8...12) : random.pick(1...5)
        crops = random.pick(0...4)
        // More chunks than the window has, now and then.
        pictureMax = random.happens(0.1) ? 12_000 : 1_400
        delayMax = .microseconds(random.pick(100...30_000))
        pieces = random.happens(0.5) ? 1 : random.pick(2...3)
        cutRate = rate(0.6, &random)
        cutAfterMax = random.pick(50...20_000)
        silentRate = rate(0.2, &random)
        killRate = rate(0.01, &random)
        kills = count(3, &random)
        powerCutRate = isDurable ? rate(1, &random) : 0
        tornRate = rate(1, &random)
        catalogLossRate = random.happens(0.1) ? 0.3 : 0
        serverCrashes = count(3, &random)
        forgetRate = rate(0.5, &random)
        loseReplyRate = rate(0.1, &random)
        partitions = count(2, &random)
        diskFulls = count(2, &random)
        flipRate = random.happens(0.1) ? 0.02 : 0
        overflowRate = rate(0.2, &random)
        reorderRate = rate(0.5, &random)
        watchDelayMax = .microseconds(random.happens(0.7) ? 3_000 : random.pick(3_000...300_000))
        cropsAgainRate = rate(0.6, &random)
        cropDeletions = count(2, &random)
        replacements = count(2, &random)
        tokenChanges = count(2, &random)
        deletions = count(3, &random)
        hangUps = count(2, &random)
        clockJumps = count(2, &random)
        suspendsForAWeek = random.happens(0.1)
        lags = count(2, &random)
        hangsUpOnCrop = random.happens(0.15)
        hangsUpOnPicture = random.happens(0.15)
        accountSwitches = random.happens(0.7) ? 0 : random.pick(1...2)
        serverFulls = count(2, &random)
        saidAgain = count(3, &random)
        absences = count(2, &random)
        mounts = folders.happens(0.7) ? 0 : folders.pick(1...2)
        cropsMadeAgain = folders.happens(0.8) ? 0 : folders.pick(1...2)
        cacheMadeAgain = folders.happens(0.8) ? 0 : 1
        stateLosses = folders.happens(0.8) ? 0 : folders.pick(1...2)
        lateFriends = others.happens(0.6) ? 0 : others.pick(1...2)
        fetchesAgain = others.happens(0.5) ? 0 : others.pick(1...3)
        recheckAfter = .seconds(others.pick(2...60))
        links = others.happens(0.6) ? 0 : others.pick(1...2)
        modes = others.happens(0.7) ? 0 : others.pick(1...2)
        cropsInARow = folders.happens(0.6) ? 0 : folders.pick(2...8)
        cacheMoves = moves.happens(0.8) ? 0 : moves.pick(1...2)
        way = .classic
        manners = SimManners(random: &web)
        let draw = web.pick(0...99)
        (ownerLabels, renames, removals) = (web.pick(0...3), count(3, &web), count(2, &web))
        largeCrops = web.happens(0.75) ? 0 : web.pick(1...2)
        take(isSeedServer || draw < 20 ? .classic : draw < 85 ? .http : .switching)
    }

    /// Only our server speaks HTTP, and nobody but its clients follows changes.
    mutating func take(_ way: Way) {
        self.way = way
        guard way != .classic else {
            (ownerLabels, renames, removals, largeCrops) = (0, 0, 0, 0)
            return
        }
        isSeedServer = false
    }

    /// Nothing goes wrong of itself: what is to go wrong is set afterwards.
    mutating func calm() {
        (faultTime, delayMax, pieces, watchDelayMax) = (.seconds(3), .milliseconds(5), 1, .milliseconds(3))
        (cutRate, silentRate, killRate, powerCutRate, tornRate, catalogLossRate) = (0, 0, 0, 0, 0, 0)
        (forgetRate, loseReplyRate, flipRate, overflowRate, reorderRate, cropsAgainRate) = (0, 0, 0, 0, 0, 0)
        (kills, serverCrashes, partitions, diskFulls, cropDeletions, replacements) = (0, 0, 0, 0, 0, 0)
        (tokenChanges, deletions, hangUps, clockJumps, lags, accountSwitches) = (0, 0, 0, 0, 0, 0)
        (serverFulls, saidAgain, absences, mounts, cropsMadeAgain, cacheMadeAgain) = (0, 0, 0, 0, 0, 0)
        (stateLosses, lateFriends, fetchesAgain, links, modes, cacheMoves) = (0, 0, 0, 0, 0, 0)
        (suspendsForAWeek, hangsUpOnCrop, hangsUpOnPicture) = (false, false, false)
        (ownerLabels, renames, removals, largeCrops, manners) = (0, 0, 0, 0, SimManners())
        way = .classic
    }

    var description: String {
        """
        server \(isSeedServer ? "seed" : "ours"), sync \(isDurable ? "full" : "none"), faults for \(faultTime), \
        \(friends) friends, \(crops) crops up to \(pictureMax) bytes, delay \(delayMax) in \(pieces) pieces, \
        cut \(cutRate) after \(cutAfterMax), silent \(silentRate), kill \(killRate) and \(kills), power \(powerCutRate), \
        torn \(tornRate), catalog lost \(catalogLossRate), server dies \(serverCrashes), forgets \(forgetRate), \
        loses replies \(loseReplyRate), partitions \(partitions), disk full \(diskFulls), flips \(flipRate), \
        overflows \(overflowRate), events reordered \(reorderRate) and late \(watchDelayMax), \
        crops again \(cropsAgainRate), crops deleted \(cropDeletions), pictures replaced \(replacements), \
        token changes \(tokenChanges), deletions \(deletions), hang-ups \(hangUps), clock jumps \(clockJumps), \
        a week asleep \(suspendsForAWeek), lags \(lags), \
        hangs up on a crop \(hangsUpOnCrop), on a picture \(hangsUpOnPicture), account switches \(accountSwitches), \
        server full \(serverFulls), said again \(saidAgain), absences \(absences), \
        mounted over \(mounts), made again \(cropsMadeAgain) and \(cacheMadeAgain), moved \(cacheMoves), state lost \(stateLosses), \
        crops in a row \(cropsInARow), \
        late pictures \(lateFriends), fetched again \(fetchesAgain), asked again after \(recheckAfter), links \(links), \
        modes \(modes), way \(way), owner labels \(ownerLabels), renamed \(renames), removed \(removals), large crops \(largeCrops), \
        \(way == .classic ? "" : "\(manners)")
        """
    }
}
