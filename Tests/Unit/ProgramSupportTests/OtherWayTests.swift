import AvatarCore
import Testing

@testable import AgentRuntime

/// Which account of the catalog may be the same user's at the same server, spoken to in the other way.
@Suite struct OtherWayTests {
    private func account(_ server: ServerAddress, _ uid: Int64 = 7) throws -> Account {
        Account(server: server, uid: try #require(UserID(uid)), token: "t")
    }

    private func account(_ url: String) throws -> Account { try account(ServerAddress(url: ServerURL(url))) }

    @Test(arguments: ["https://avatars.test", "https://Avatars.TEST:9443/chat", "http://avatars.test:8080"])
    func aHostThatIsSpokenToInHTTPMayBeTheOneThatWasClassic(url: String) throws {
        let classic = try account(ServerAddress(host: "avatars.test", port: 9090))
        let web = try account(url)
        #expect(web.isOtherWay(of: classic.key) && classic.isOtherWay(of: web.key))
    }

    @Test func anAddressWithColonsMayBeTheSame() throws {
        let classic = try account(ServerAddress(host: "2001:db8::1", port: 9090))
        let web = try account("https://[2001:db8::1]")
        #expect(web.isOtherWay(of: classic.key) && classic.isOtherWay(of: web.key))
    }

    @Test func anotherHostAnotherUserOrTheSameWayIsAnotherAccount() throws {
        let classic = try account(ServerAddress(host: "avatars.test", port: 9090))
        let web = try account("https://avatars.test")
        #expect(!web.isOtherWay(of: "other.test:9090/7"))
        #expect(!web.isOtherWay(of: "avatars.test:9090/77"))
        #expect(!web.isOtherWay(of: "https://avatars.test:9443/7") && !web.isOtherWay(of: web.key))
        #expect(!classic.isOtherWay(of: "avatars.test:9091/7") && !classic.isOtherWay(of: classic.key))
        for odd in ["", "/", "7", "/7", "avatars.test", "https:///7"] {
            #expect(!web.isOtherWay(of: odd) && !classic.isOtherWay(of: odd), "\(odd)")
        }
    }
}
