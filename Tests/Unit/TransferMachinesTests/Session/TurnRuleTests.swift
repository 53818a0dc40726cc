import AvatarCore
import Testing

@testable import TransferMachines

/// Whose turn it is to ask the server, case by case.
@Suite struct TurnRuleTests {
    private static let suspect = Transfer.upload(CropID(1))
    private static let other = Transfer.download(name("a.png"))

    /// What happened on the connection before.
    enum Before: CaseIterable {
        case nothing
        case theSuspectWasAnswered
        case anotherWasAnswered

        fileprivate func apply(to rule: inout TurnRule) {
            switch self {
            case .nothing: break
            case .theSuspectWasAnswered:
                _ = rule.next(suspect: suspect, isAloneUnderWay: false, othersHaveWork: false, isQuiet: true)
                rule.answered(suspect)
            case .anotherWasAnswered: rule.answered(other)
            }
        }
    }

    /// What happened before; whether there is a suspect, others have work, and no answer is owed; whose turn it is then.
    @Test(
        arguments: [
            (.nothing, false, false, true, .everybodyElse),
            (.nothing, false, true, false, .everybodyElse),
            (.nothing, true, true, true, .everybodyElse),
            (.nothing, true, true, false, .everybodyElse),
            (.nothing, true, false, true, .alone(suspect)),
            (.nothing, true, false, false, .nobody),
            (.theSuspectWasAnswered, true, true, true, .everybodyElse),
            (.theSuspectWasAnswered, true, false, true, .alone(suspect)),
            (.anotherWasAnswered, false, true, true, .everybodyElse),
            (.anotherWasAnswered, true, true, true, .alone(suspect)),
            (.anotherWasAnswered, true, true, false, .nobody),
            (.anotherWasAnswered, true, false, true, .alone(suspect)),
        ] as [(Before, Bool, Bool, Bool, TurnRule.Turn)])
    func theOthersGoFirstAndASuspectGoesAlone(
        before: Before, isSuspect: Bool, othersHaveWork: Bool, isQuiet: Bool, turn: TurnRule.Turn
    ) {
        var rule = TurnRule()
        before.apply(to: &rule)
        let next = rule.next(
            suspect: isSuspect ? Self.suspect : nil, isAloneUnderWay: false, othersHaveWork: othersHaveWork,
            isQuiet: isQuiet)
        #expect(next == turn)
        #expect(rule.current == turn)
    }

    @Test func aSuspectThatIsUnderWayKeepsItsTurn() {
        var rule = TurnRule()
        _ = rule.next(suspect: Self.suspect, isAloneUnderWay: false, othersHaveWork: false, isQuiet: true)
        for isQuiet in [false, true] {
            let turn = rule.next(suspect: Self.other, isAloneUnderWay: true, othersHaveWork: true, isQuiet: isQuiet)
            #expect(turn == .alone(Self.suspect))
        }
    }

    @Test func aSuspectThatIsNotUnderWayAnyMoreLosesItsTurn() {
        var rule = TurnRule()
        _ = rule.next(suspect: Self.suspect, isAloneUnderWay: false, othersHaveWork: false, isQuiet: true)
        let turn = rule.next(suspect: nil, isAloneUnderWay: false, othersHaveWork: true, isQuiet: true)
        #expect(turn == .everybodyElse)
        #expect(rule.alone == nil)
    }

    @Test func onEachConnectionTheOthersGoFirstAgain() {
        var rule = TurnRule()
        rule.answered(Self.other)
        _ = rule.next(suspect: Self.suspect, isAloneUnderWay: false, othersHaveWork: true, isQuiet: true)
        rule.connectionLost()
        #expect(rule.alone == nil)
        let turn = rule.next(suspect: Self.suspect, isAloneUnderWay: false, othersHaveWork: true, isQuiet: true)
        #expect(turn == .everybodyElse)
    }
}
