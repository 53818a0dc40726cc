import AvatarCore
import Testing
import TransferMachines

/// docs/architecture.md, "A commit": verify, sync, intent, rename, sync the folder, record; only then is anybody told.
@Suite struct CommitMachineTests {
    private typealias Outcome = CommitMachine.Outcome

    private func item(_ string: String) -> CommitMachine.Item {
        .init(name: name(string), origin: .download(owner: nil))
    }

    private func recorded(_ string: String) -> Outcome {
        .recorded(record(string), [AvatarEvent(cursor: 1, kind: .ready, name: name(string))])
    }

    /// The steps that one file goes through.
    private func steps(durable: Bool) -> [CommitMachine.Step] {
        var machine = CommitMachine(durable: durable)
        var steps: [CommitMachine.Step] = []
        var next = machine.add([item("a")])?.0
        while let step = next {
            steps.append(step)
            next = machine.finished(step, [(name("a"), step == .record ? recorded("a") : .done)]).next?.0
        }
        return steps
    }

    @Test func theOrderOfTheStepsIsThePromise() {
        #expect(steps(durable: true) == [.verify, .syncParts, .writeIntents, .rename, .syncFolder, .record])
    }

    @Test func withoutDurabilityOnlyTheSyncsAreLeftOut() {
        #expect(steps(durable: false) == [.verify, .writeIntents, .rename, .record])
    }

    @Test func aFileEndsWithItsRecordAndNotBefore() {
        var machine = CommitMachine(durable: false)
        _ = machine.add([item("a")])
        for step in [CommitMachine.Step.verify, .writeIntents, .rename] {
            #expect(machine.finished(step, [(name("a"), .done)]).ended.isEmpty)
        }
        let last = machine.finished(.record, [(name("a"), recorded("a"))])
        #expect(last.ended.map(\.0) == [item("a")])
        #expect(last.ended.map(\.1) == [recorded("a")])
        #expect(last.next == nil)
        #expect(machine.count == 0)
    }

    @Test func filesThatFinishDuringARoundShareTheNextOne() {
        var machine = CommitMachine(durable: false)
        let first = machine.add([item("a")])
        #expect(first?.1 == [item("a")])
        #expect(machine.add([item("b")]) == nil)
        #expect(machine.add([item("c")]) == nil)
        #expect(machine.count == 3)
        for step in [CommitMachine.Step.verify, .writeIntents, .rename] {
            _ = machine.finished(step, [(name("a"), .done)])
        }
        let next = machine.finished(.record, [(name("a"), recorded("a"))]).next
        #expect(next?.0 == .verify)
        #expect(next?.1 == [item("b"), item("c")])
    }

    @Test func aRoundHasItsMostFiles() {
        var machine = CommitMachine(durable: false)
        _ = machine.add([item("first")])
        for number in 0..<Limits.Commit.groupMax + 10 { _ = machine.add([item("\(number)")]) }
        let round = machine.finished(.verify, [(name("first"), .corrupt("no"))]).next?.1
        #expect(round?.count == Limits.Commit.groupMax)
        #expect(round?.first == item("0"))
    }

    @Test func aNameIsInARoundOnce() {
        var machine = CommitMachine(durable: false)
        _ = machine.add([item("first")])
        for string in ["a", "b", "a", "c"] { _ = machine.add([item(string)]) }
        let first = machine.finished(.verify, [(name("first"), .corrupt("no"))]).next
        #expect(first?.1 == [item("a"), item("b")])
        let second = machine.finished(.verify, [(name("a"), .corrupt("no")), (name("b"), .corrupt("no"))]).next
        #expect(second?.1 == [item("a"), item("c")])
    }

    /// Every way a file can end early, in every step: the others go on.
    @Test(
        arguments: [CommitMachine.Step.verify, .syncParts, .writeIntents, .rename, .syncFolder],
        [CommitMachine.Outcome.corrupt("cut off"), .nameTaken, .diskFull, .failed("EIO")])
    func aFileThatFailsLeavesTheRound(at failing: CommitMachine.Step, outcome: CommitMachine.Outcome) {
        var machine = CommitMachine(durable: true)
        _ = machine.add([item("alone")])
        _ = machine.add([item("bad")])
        _ = machine.add([item("good")])
        var next = machine.finished(.verify, [(name("alone"), .corrupt("no"))]).next
        while let (step, items) = next {
            let result = machine.finished(
                step,
                items.map { item in
                    if item.name == name("bad"), step == failing { return (item.name, outcome) }
                    return (item.name, step == .record ? recorded(item.name.string) : .done)
                })
            if step == failing {
                #expect(result.ended.map(\.0) == [item("bad")])
                #expect(result.ended.map(\.1) == [outcome])
                #expect(result.next?.1 == [item("good")])
            }
            if step == .record { #expect(result.ended.map(\.0) == [item("good")]) }
            next = result.next
        }
        #expect(machine.count == 0)
    }

    @Test func aRecordThatFailsEndsToo() {
        var machine = CommitMachine(durable: false)
        _ = machine.add([item("a")])
        for step in [CommitMachine.Step.verify, .writeIntents, .rename] {
            _ = machine.finished(step, [(name("a"), .done)])
        }
        #expect(machine.finished(.record, [(name("a"), .diskFull)]).ended.map(\.1) == [.diskFull])
        #expect(machine.count == 0)
    }

    @Test func aFileOfWhichAStepSaysNothingHasFailed() {
        var machine = CommitMachine(durable: false)
        _ = machine.add([item("a")])
        let result = machine.finished(.verify, [(name("other"), .done)])
        #expect(result.ended.map(\.1) == [.failed("the step said nothing of it")])
    }

    @Test func anotherStepsResultChangesNothing() {
        var machine = CommitMachine(durable: false)
        #expect(machine.finished(.verify, []).next == nil)
        _ = machine.add([item("a")])
        #expect(machine.finished(.rename, [(name("a"), .done)]).next == nil)
        #expect(machine.finished(.verify, [(name("a"), .done)]).next?.0 == .writeIntents)
    }

    @Test func theNextRoundBeginsEvenWhenEveryFileOfThisOneFailed() {
        var machine = CommitMachine(durable: true)
        _ = machine.add([item("a")])
        _ = machine.add([item("b")])
        let next = machine.finished(.verify, [(name("a"), .diskFull)]).next
        #expect(next?.0 == .verify)
        #expect(next?.1 == [item("b")])
    }
}
