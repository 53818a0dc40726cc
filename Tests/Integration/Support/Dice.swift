import Foundation

/// Random numbers that can be had again: the seed is printed with a failure, and AVATARD_TEST_SEED sets it.
struct Dice: RandomNumberGenerator {
    /// Where it began.
    let seed: UInt64
    private var state: UInt64

    init() {
        self.init(
            seed: ProcessInfo.processInfo.environment["AVATARD_TEST_SEED"].flatMap { UInt64($0) }
                ?? UInt64.random(in: 1...999_999_999))
    }

    init(seed: UInt64) {
        self.seed = seed
        state = seed
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
