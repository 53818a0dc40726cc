import AvatarCore
import ServerRuntime
import Testing

@Suite struct DescriptorBudgetTests {
    @Test(arguments: [1, 16, 64, 128, 256, 1024, 4096, 20_000, 524_288, Int.max])
    func whatIsGivenOutNeverExceedsTheLimitLessWhatIsKeptBack(limit: Int) {
        let budget = DescriptorBudget(limit: limit)
        #expect(budget.connections >= 1)
        let keptBack = min(Limits.Server.descriptorsKeptBack, limit / 3 * 2)
        #expect(budget.connections + budget.downloads + budget.parts <= max(1, limit - keptBack))
    }

    @Test(arguments: [16, 64, 128, 256, 1024, 4096, 20_000, 524_288, Int.max])
    func whatHTTPGetsIsNotGivenToTheClassicDialect(limit: Int) {
        let budget = DescriptorBudget(limit: limit, servesHTTP: true)
        let http = budget.httpConnections + budget.httpConnections / 8
        #expect(budget.connections >= 1)
        #expect(budget.httpConnections >= 1)
        #expect(budget.connections + budget.downloads + budget.parts + http <= limit)
    }

    @Test func halfOfManyDescriptorsHoldAgentsThatFollowChanges() {
        #expect(DescriptorBudget(limit: 20_000, servesHTTP: true).httpConnections == 12_000)
        #expect(DescriptorBudget(limit: 20_000).httpConnections == 0)
        #expect(DescriptorBudget(limit: 524_288, servesHTTP: true).httpConnections == Limits.HTTP.connectionsMax)
    }

    @Test func aLimitThatIsHighEnoughGivesEveryBoundInFull() {
        let budget = DescriptorBudget(limit: 524_288)
        #expect(budget.connections == Limits.Server.connectionsMax)
        #expect(budget.downloads == Limits.Server.downloadsOpenMax)
        #expect(budget.parts == Limits.Server.partFilesOpenMax)
    }
}
