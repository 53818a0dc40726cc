internal import AvatarCore
internal import TransferMachines

/// The oracles of what the agent asks of others and of itself: a dead or refusing server is left alone as long as it should be, and
/// nothing grows past its bound.
final class Politeness {
    let world: World
    private let fail: (String) -> Void
    private var failures = 0
    private var waitsSince: MonotonicTime?
    private var putOffUntil = MonotonicTime.zero
    private var refusals: [AvatarName: (until: MonotonicTime, tokenEpoch: Int64)] = [:]

    init(world: World, fail: @escaping (String) -> Void) {
        self.world = world
        self.fail = fail
    }

    // MARK: A dead server

    /// A person or the network gave a reason to try at once, or the server said something.
    func excuse() {
        failures = 0
        waitsSince = nil
    }

    /// The connection's state before and after an input.
    func moved(from before: ConnectionMachine.State, to after: ConnectionMachine.State, byLogin: Bool) {
        guard before != after else { return }
        if case .waiting = after {
            failures += 1
            waitsSince = world.now
        }
        guard case .connecting = after, !byLogin else { return }
        if before == .refused { return fail("connected again, though the server refused the token") }
        guard case .waiting = before, let waitsSince, failures > 0 else { return }
        var ceiling = Limits.Connection.backoffFirst
        for _ in 1..<min(failures, 20) { ceiling = min(ceiling * 2, Limits.Connection.backoffMax) }
        if world.now - waitsSince < ceiling / 2 {
            fail("connected \(world.now - waitsSince) after failure \(failures) in a row")
        }
    }

    // MARK: A server that refuses a picture

    /// However often labels come and the agent starts: until then nobody has a reason to ask, unless a person fetches the picture. `until`
    /// is what the agent tells of it: a refusal that the full disk could not keep is noted later than it was learned.
    func refused(
        _ name: AvatarName, _ reason: AbsenceReason, attempts: Int, until: MonotonicTime?, tokenEpoch: Int64
    ) {
        let pause = min(Limits.Negative.freshFor, Negative.pause(reason, attempts: attempts))
        refusals[name] = until.map { until in
            let learned = until + (.zero - Negative.timeToLive(reason, of: name, attempts: attempts))
            return (min(until, learned + pause, world.now + pause), tokenEpoch)
        }
    }

    /// The server wants to be asked for pictures later: only another server, or an agent that has forgotten it, asks before.
    func putOff(_ time: Duration) { putOffUntil = max(putOffUntil, world.now + min(time, Limits.HTTPWay.pauseMax)) }

    func forgetPutOff() { putOffUntil = .zero }

    /// There is a reason to ask for it again.
    func lift(_ name: AvatarName) { refusals[name] = nil }
    func liftAll() { refusals = [:] }

    func asked(_ name: AvatarName, tokenEpoch: Int64) {
        if world.now < putOffUntil {
            fail("\(name) was asked for \(putOffUntil - world.now) before the server wants that")
        }
        // The catalog's times have a grain of a millisecond.
        guard let refusal = refusals[name], refusal.tokenEpoch == tokenEpoch,
            world.now + .milliseconds(5) < refusal.until
        else { return }
        fail("\(name) was asked for \(refusal.until - world.now) before its refusal ends")
    }

    // MARK: Bounds

    func serverHolds(_ requests: Int) {
        guard requests > Limits.Server.requestsInFlightMax else { return }
        fail("the server holds \(requests) requests of one connection")
    }

    /// `names` are all that anybody could care for.
    func holds(_ load: AgentMachine.Load, names: Int) {
        func check(_ what: String, _ count: Int, _ limit: Int) {
            if count > limit { fail("\(count) \(what), at most \(limit) are allowed") }
        }
        check("downloads have a place", load.active, Limits.Download.activeMax)
        check("requests are in flight", load.inFlight, Limits.Download.inFlightMax)
        check("places in the download queue", load.queuePlaces, 2 * load.queued + 65)
        check("retries", load.retries, 2 * load.names + 65)
        check("places in the line of uploads", load.uploadPlaces, 2 * load.uploads + 65)
        check("crops put off", load.deferredCrops, Limits.Upload.deferredMax)
        check("steps of the activity log", load.steps, Limits.ActivityLog.stepsMax)
        check("problems", load.problems, Limits.ActivityLog.problemsMax)
        check("names cared for", load.names, names)
    }
}
