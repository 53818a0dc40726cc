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

    @Test func aLimitThatIsHighEnoughGivesEveryBoundInFull() {
        let budget = DescriptorBudget(limit: 524_288)
        #expect(budget.connections == Limits.Server.connectionsMax)
        #expect(budget.downloads == Limits.Server.downloadsOpenMax)
        #expect(budget.parts == Limits.Server.partFilesOpenMax)
    }
}
