import AvatarCore
import Testing
import TransferMachines

/// Many pictures and few places: who is served first, and that everybody is.
@Suite struct AgentPlacesTests {
    /// Pictures that are begun at first, when nothing is known of the network and of their sizes.
    private static let placesFirst = Int(
        2 * Limits.Flight.bytes.lowerBound / Limits.Download.expectedBytesFirst)

    /// Pictures that are asked for at first: as many as fill the window, if each comes whole in one answer.
    private static let askedFirst = Int(Limits.Flight.bytes.lowerBound / Limits.Download.expectedBytesFirst)

    @Test func twoHundredNamesShareThePlaces() {
        var agent = AgentScript()
        let names = (0..<200).map { "\($0).png" }
        agent.give(
            .bus(
                StreamID(1),
                .register(
                    names.map {
                        LabelRequest(label: ExactString($0), target: .name(name($0), owner: nil), visibility: .near)
                    },
                    keep: true,
                    heartbeat: false, more: true, token: "t")))
        agent.give(.disk(.lookedUp(names.map { CatalogRow(name: name($0)) })))
        var waiting = agent.asked
        #expect(waiting.count == Self.askedFirst)
        var fetched: Set<String> = []
        while let first = waiting.first {
            waiting.removeFirst()
            let string = String(first.dropLast(2))
            agent.chunk(string)
            waiting += agent.asked
            agent.give(.disk(.wrote(name(string), through: 100)))
            waiting += agent.asked
            #expect(waiting.count <= Limits.Download.activeMax)
            fetched.insert(string)
        }
        #expect(fetched.count == 200)
    }

    /// The server has nothing more to send of it: the next pictures are asked for while the disk still writes.
    @Test func aPictureThatHasComeGivesItsPlaceToTheNext() {
        var agent = AgentScript()
        for number in 0...Self.askedFirst {
            agent.register(UInt64(100 + number), "\(number)")
            agent.unknown("\(number)")
        }
        #expect(agent.asked == [], "the window is full")
        agent.chunk("0")
        #expect(agent.asked == ["\(Self.askedFirst) 1"])
    }

    /// Our server serves in chunks of the size that is asked for; any other says by its first chunk what it serves in.
    @Test func aFreshPictureIsAskedForInOurChunksAndGoesOnInTheServers() {
        var agent = AgentScript()
        agent.want("a.png")
        let own = Int64(Limits.Wire.ownChunkBytes)
        #expect(agent.sent.first == .download(name: name("a.png"), seq: 1, chunkBytes: own))
        agent.chunk("a.png", 1, of: 5000, by: 2048)
        #expect(agent.sent == [2, 3].map { .download(name: name("a.png"), seq: $0, chunkBytes: 2048) })
    }

    /// What answers hold says how many requests fill the window: many of a server whose chunks are small.
    @Test func smallChunksLetMorePicturesBeAskedFor() {
        var agent = AgentScript()
        for number in 0..<200 {
            agent.register(UInt64(100 + number), "\(number)")
            agent.unknown("\(number)")
        }
        agent.chunk("0", 1, of: 20_000, by: 2048)
        #expect(agent.asked.count > Self.askedFirst)
    }

    @Test func aDiskThatIsBehindHoldsTheNextPictureBack() {
        var agent = AgentScript()
        agent.want("1")
        let large = Limits.Download.unwrittenBytesMax
        for seq in 1...large / 2048 { agent.chunk("1", seq, of: large) }
        agent.register(2, "last")
        agent.unknown("last")
        #expect(agent.asked == [])
        agent.give(.disk(.wrote(name("1"), through: large)))
        #expect(agent.asked == ["last 1"])
    }

    private static let crowdBytes: Int64 = 100_000

    /// Eight hidden pictures in full flow, which is more than two windows, and one that is seen.
    private func crowded() -> AgentScript {
        var agent = AgentScript()
        for number in 0..<8 {
            agent.register(UInt64(100 + number), "hidden \(number)", visibility: .hidden)
            agent.unknown("hidden \(number)")
        }
        for number in 0..<8 { agent.chunk("hidden \(number)", 1, of: Self.crowdBytes) }
        agent.register(1, "seen")
        agent.unknown("seen")
        return agent
    }

    /// The last of the eight has its place by age, and keeps it: the one before it makes way.
    @Test func whatIsSeenOvertakesWhatIsHidden() {
        var agent = crowded()
        #expect(agent.asked == [], "every place is taken")
        agent.chunk("hidden 5", 2, of: Self.crowdBytes)
        #expect(!agent.asked.contains("seen 1"), "an answer is owed to the one that makes way")
        agent.chunk("hidden 6", 2, of: Self.crowdBytes)
        #expect(agent.asked == ["seen 1"])
    }

    /// One place for one picture that is seen: the other seven go on.
    @Test func oneSeenPictureTakesOnePlace() {
        var agent = crowded()
        var stopped: Set<Int> = []
        for number in 0..<8 {
            agent.chunk("hidden \(number)", 2, of: Self.crowdBytes)
            if agent.disk == [] { stopped.insert(number) }
        }
        #expect(stopped == [6])
    }

    /// A list that scrolls for ever: what has waited longest gets every eighth place, and keeps it.
    @Test func whatIsHiddenDoesNotStarve() {
        var agent = AgentScript()
        agent.register(1, "hidden", visibility: .hidden)
        agent.give(.bus(StreamID(2), .pause(.down)))
        agent.unknown("hidden")
        var number = 0
        func seen(_ agent: inout AgentScript) {
            number += 1
            agent.register(UInt64(100 + number), "seen \(number)", keep: false)
            agent.unknown("seen \(number)")
        }
        for _ in 0..<20 { seen(&agent) }
        agent.give(.bus(StreamID(2), .resume(.down)))
        var waiting = agent.asked
        for _ in 0..<50 where !waiting.contains("hidden 1") {
            guard let first = waiting.first else { break }
            waiting.removeFirst()
            agent.refuse(String(first.dropLast(2)), .fileNotExists)
            waiting += agent.asked
            seen(&agent)
            waiting += agent.asked
        }
        #expect(waiting.contains("hidden 1"))
    }

    /// Five pictures in view fill every window; the one that is not has a place, and goes on all the same.
    @Test func aPlaceMovesHoweverFullTheWindowsOfOthersAre() {
        var agent = AgentScript()
        agent.register(1, "hidden", visibility: .hidden)
        agent.unknown("hidden")
        for number in 0..<5 {
            agent.register(UInt64(10 + number), "seen \(number)")
            agent.unknown("seen \(number)")
        }
        for number in 0..<5 { agent.chunk("seen \(number)", 1, of: 1_000_000) }
        // The window of windows is full but for the one answer that is owed to the hidden picture.
        agent.chunk("hidden", 1, of: 1_000_000)
        #expect(agent.asked == ["hidden 2"])
        for seq in Int64(2)...4 {
            agent.chunk("seen 0", seq, of: 1_000_000)
            // What the first has beyond its share goes to the others.
            #expect(agent.asked == ["seen 1 \(seq + 1)"])
            agent.chunk("hidden", seq, of: 1_000_000)
            #expect(agent.asked == ["hidden \(seq + 1)"])
        }
    }

    /// Its pause before a start over ends while the windows of others are full: nothing wakes for it before a place in them is free.
    @Test func aPauseThatEndsWithoutRoomLeavesNoDeadlineInThePast() throws {
        var agent = AgentScript()
        agent.register(1, "paused")
        agent.unknown("paused")
        agent.refuse("paused", .seqInvalid)
        for number in 0..<5 {
            agent.register(UInt64(10 + number), "seen \(number)")
            agent.unknown("seen \(number)")
        }
        for number in 0..<5 { agent.chunk("seen \(number)", 1, of: 1_000_000) }
        agent.pass(Limits.Download.restartJitterMax)
        #expect(agent.asked == [])
        #expect(try #require(agent.machine.deadline) > agent.now)
        agent.chunk("seen 0", 2, of: 1_000_000)
        #expect(agent.asked == ["paused 1"])
    }
}
