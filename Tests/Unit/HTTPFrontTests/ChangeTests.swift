import AvatarCore
import NIOCore
import ServerRuntime
import Synchronization
import Testing

@testable import HTTPFront

@Suite struct ChangeTests {
    private func user(_ value: Int64) throws -> UserID { try #require(UserID(value)) }

    @Test func anEventIsAnIDANameAndALineOfJSON() throws {
        let avatar = Avatar(
            name: try AvatarName("ä \"b\".png"), sha256: try #require(SHA256Digest(bytes: Array(0..<32))), size: 5,
            format: .png, generation: 3)
        func text(_ avatar: Avatar?) throws -> String {
            let change = LoggedChange(cursor: 9, user: try user(7), generation: 3, avatar: avatar)
            return String(decoding: ChangeEvent.avatar(change, epoch: "e1"), as: UTF8.self)
        }
        #expect(
            try text(avatar) == """
                id: e1.9
                event: avatar
                data: {"user":7,"name":"ä \\"b\\".png","sha256":"\(avatar.sha256.hex)","size":5,"type":"image/png","generation":3}


                """)
        #expect(
            try text(nil) == "id: e1.9\nevent: avatar\ndata: {\"user\":7,\"removed\":true,\"generation\":3}\n\n")
    }

    @Test(arguments: ["", ".", "e.", ".1", "e.1.2", "e.-1", "e.+1", "e.x", "e. 1", "e.99999999999999999999", "e1"])
    func otherIDsAreNobodys(_ text: String) {
        #expect(ChangeID(text) == nil)
    }

    @Test(arguments: [("e.4", true), ("e.5", true), ("e.9", true), ("e.3", false), ("e.10", false), ("f.5", false)])
    func aStreamGoesOnWhereTheLogStillReaches(_ text: String, _ can: Bool) throws {
        let log = ChangeLogRange(epoch: "e", oldest: 5, newest: 9)
        #expect(try #require(ChangeID(text)).canGoOn(in: log) == can)
    }

    @Test func anEmptyLogReachesBackToItsEnd() {
        let log = ChangeLogRange(epoch: "e", oldest: 1, newest: 0)
        #expect(ChangeID(epoch: "e", cursor: 0).canGoOn(in: log))
    }

    @Test func whomToFollowComesInTheQueryOrTheBody() throws {
        let both: Set = [try user(1), try user(2)]
        #expect(try FollowedUsers.inQuery("/v1/changes") == [])
        #expect(try FollowedUsers.inQuery("/v1/changes?user=1&x=y&user=2&user=1") == both)
        #expect(try FollowedUsers.inBody(Array(#"{"users": [1, 2, 1], "later": {}}"#.utf8)) == both)
        #expect(try FollowedUsers.inBody(Array(#"{"users": []}"#.utf8)) == [])
        for query in ["user=", "user=0", "user=-1", "user=a", "user=%31", "user=1,2", "user=99999999999999999999"] {
            #expect(throws: FollowedUsers.Fault.self) { try FollowedUsers.inQuery("/v1/changes?\(query)") }
        }
        for body in ["", "[1]", "{}", #"{"users": 1}"#, #"{"users": ["1"]}"#, #"{"users": [1.5]}"#, #"{"users": [0]}"#]
        {
            #expect(throws: FollowedUsers.Fault.self) { try FollowedUsers.inBody(Array(body.utf8)) }
        }
        let many = (1...(Limits.Changes.usersMax + 1)).map(String.init).joined(separator: ",")
        #expect(throws: FollowedUsers.Fault.self) { try FollowedUsers.inBody(Array("{\"users\":[\(many)]}".utf8)) }
    }

    @Test func streamsAreFoundByWhomTheyFollow() throws {
        var followers = ChangeFollowers()
        let (one, two) = (try user(1), try user(2))
        let first = try followers.add([one, two], of: .user(one))
        let second = try followers.add([two], of: .user(two))
        #expect(followers.streams(following: one) == [first])
        #expect(followers.streams(following: two) == [first, second])
        followers.remove(first)
        followers.remove(first)
        #expect(followers.streams(following: one) == [])
        #expect(followers.streams(following: two) == [second])
        followers.remove(second)
        #expect(followers.isEmpty)
    }

    @Test func nobodyHasMoreStreamsThanTheBound() throws {
        var followers = ChangeFollowers()
        let one = try user(1)
        let ids = try (0..<Limits.Changes.streamsPerUserMax).map { _ in try followers.add([one], of: .user(one)) }
        let refusal = ChangeFollowers.Refusal.tooManyOfOwner(max: Limits.Changes.streamsPerUserMax)
        #expect(throws: refusal) { try followers.add([one], of: .user(one)) }
        _ = try followers.add([one], of: .user(try user(2)))
        followers.remove(try #require(ids.first))
        _ = try followers.add([one], of: .user(one))
    }

    @Test func allStreamsTogetherFollowNoMoreThanTheBound() throws {
        var followers = ChangeFollowers()
        let many = Set((1...Int64(Limits.Changes.usersMax)).compactMap { UserID($0) })
        for index in 0..<Limits.Changes.followsMax / Limits.Changes.usersMax {
            _ = try followers.add(many, of: .address(ExactString("\(index)")))
        }
        #expect(throws: ChangeFollowers.Refusal.tooMany) { try followers.add([try user(1)], of: .user(try user(1))) }
    }

    @Test func whoLeavesTooMuchUnreadIsCutOff() async {
        let cuts = Mutex(0)
        let stream = ChangeStream(login: nil) { cuts.withLock { $0 += 1 } }
        let piece = ByteBuffer(repeating: 0, count: Limits.Changes.unsentBytesMax / 2)
        stream.offer(piece)
        stream.offer(piece)
        #expect(await stream.next()?.count == 2)
        for _ in 0..<3 { stream.offer(piece) }
        #expect(await stream.next() == nil)
        #expect(cuts.withLock { $0 } == 1)
    }

    @Test func whoReadsNothingBetweenTwoSignsOfLifeIsCutOff() async {
        let cuts = Mutex(0)
        let stream = ChangeStream(login: nil) { cuts.withLock { $0 += 1 } }
        let sign = ByteBuffer(string: ":\n\n")
        for _ in 0..<3 {
            stream.beat(sign)
            #expect(await stream.next() == [sign])
        }
        stream.offer(sign)
        stream.beat(sign)
        #expect(cuts.withLock { $0 } == 0)
        stream.beat(sign)
        #expect(cuts.withLock { $0 } == 1)
        #expect(await stream.next() == nil)
    }
}
