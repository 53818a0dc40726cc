import AvatarCore
import Testing

@testable import TransferMachines

/// When the agent asks again for what was not to be had.
@Suite struct AgentAskingAgainTests {
    private func pause(_ attempts: Int, _ reason: AbsenceReason = .absent) -> Duration {
        Negative.timeToLive(reason, of: name("a.png"), attempts: attempts)
    }

    @Test func anAbsentPictureIsAskedForSoonAndThenEverMoreRarely() {
        var agent = AgentScript()
        agent.want("a.png")
        for (index, base) in Limits.Negative.absent.enumerated() {
            agent.refuse("a.png", .fileNotExists)
            #expect(agent.disk.last == .setNegative(name("a.png"), .absent, attempts: index + 1))
            #expect(pause(index + 1) >= base && pause(index + 1) <= base + base / 4)
            #expect(agent.view("a.png").retryAt == agent.now + pause(index + 1))
            agent.pass(pause(index + 1) - .milliseconds(1))
            #expect(agent.sent == [])
            agent.pass(.milliseconds(1))
            #expect(agent.asked == ["a.png 1"])
        }
        agent.refuse("a.png", .fileNotExists)
        #expect(agent.view("a.png").retryAt == agent.now + pause(Limits.Negative.absent.count), "the longest stays")
    }

    @Test func anotherReasonBeginsItsOwnPauses() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.refuse("a.png", .fileNotExists)
        agent.pass(pause(1))
        agent.refuse("a.png", .readPermission)
        #expect(agent.disk.last == .setNegative(name("a.png"), .forbidden, attempts: 1))
    }

    @Test func aNewLabelAsksAtOnceWhenTheAnswerIsSecondsOld() {
        var agent = AgentScript()
        agent.want("a.png")
        for attempts in 1...2 {
            agent.refuse("a.png", .fileNotExists)
            agent.pass(pause(attempts))
        }
        agent.refuse("a.png", .fileNotExists)
        agent.pass(Limits.Negative.freshFor - .milliseconds(1))
        agent.register(2, "a.png", keep: false)
        #expect(agent.sent == [], "a fresh answer is good for everybody")
        agent.pass(.milliseconds(1))
        agent.register(3, "a.png")
        #expect(agent.asked == ["a.png 1"])
        agent.refuse("a.png", .fileNotExists)
        #expect(agent.disk.last == .setNegative(name("a.png"), .absent, attempts: 4), "labels that come in a loop")
        agent.pass(Limits.Negative.renewedAfter)
        agent.register(4, "a.png")
        agent.refuse("a.png", .fileNotExists)
        #expect(agent.disk.last == .setNegative(name("a.png"), .absent, attempts: 1), "somebody new")
    }

    @Test func aRestartAsksWhenTheAnswerIsSecondsOldAndKeepsTheCount() {
        var agent = AgentScript()
        agent.register(1, "fresh.png", "old.png", "large.png")
        for (text, reason, age) in [
            ("fresh.png", AbsenceReason.absent, Duration.seconds(3)), ("large.png", .tooLarge, .seconds(3600)),
            ("old.png", .absent, .seconds(6)),
        ] {
            let learned = agent.now + (.zero - age)
            let negative = Negative(reason: reason, of: name(text), attempts: 4, learned: learned)
            agent.row(CatalogRow(name: name(text), negative: negative))
            #expect(agent.asked == (text == "old.png" ? ["old.png 1"] : []))
        }
        agent.refuse("old.png", .fileNotExists)
        #expect(agent.disk.last == .setNegative(name("old.png"), .absent, attempts: 5))
    }

    @Test func aThousandAbsentPicturesAreNotAskedForInOneBurst() {
        var agent = AgentScript()
        var (asked, open) = (0, [String]())
        let start = agent.now
        func note(_ requests: [String]) {
            asked += requests.count
            open += requests.map { String($0.dropLast(2)) }
            let rate = Int((agent.now - start) / Limits.Negative.againInterval)
            #expect(asked <= Limits.Negative.againBurst + rate + 1)
        }
        for number in UInt64(1)...1000 {
            let text = "\(number).png"
            agent.register(number, text)
            let learned = agent.now + (.zero - .seconds(10))
            let negative = Negative(reason: .absent, of: name(text), attempts: 3, learned: learned)
            agent.row(CatalogRow(name: name(text), negative: negative))
            note(agent.asked)
        }
        while asked < 200, let deadline = agent.machine.deadline {
            while let text = open.popLast() {
                agent.refuse(text, .fileNotExists)
                note(agent.asked)
            }
            agent.pass(max(.milliseconds(1), deadline - agent.now))
            note(agent.asked)
        }
        #expect(asked >= 200, "and all have their turn")
    }

    @Test func aNameThatWasTakenIsFetchedWhenWhatWasInTheWayIsGone() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.chunk("a.png")
        agent.give(.disk(.wrote(name("a.png"), through: 100)))
        agent.endCommit("a.png", .nameTaken)
        #expect(agent.disk.last == .setNegative(name("a.png"), .nameTaken, attempts: 1))
        agent.give(.folder(.gone(.cache, name("a.png"))))
        #expect(agent.asked == ["a.png 1"])
        agent.chunk("a.png")
        agent.give(.disk(.wrote(name("a.png"), through: 100)))
        agent.endCommit("a.png", .nameTaken)
        agent.pass(Limits.Negative.freshFor)
        agent.give(.disk(.rescanned(.cache, settled: [], unnameable: [], vanished: [], events: [])))
        #expect(agent.asked == ["a.png 1"], "a look through the folder tries it")
    }
}
