import ArgumentParser
import AvatarCore
import TestPictures

/// Throws broken pictures at the image recognition until the time is up. Every run can be repeated from its seed.
@main
struct ImageFuzz: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Fuzzes the image recognition.")

    @Option(help: "How long.")
    var seconds = 10

    @Option(help: "Where the random numbers begin; otherwise it is drawn, and printed.")
    var seed: UInt64?

    func run() throws {
        let seed = seed ?? UInt64.random(in: 1...1_000_000_000)
        print("ImageFuzz: seed \(seed), \(seconds) s")
        let seeds = try ImageFormat.allCases.flatMap {
            [try TestPictures.tiny($0), try TestPictures.padded($0, to: 3000)]
        }
        let clock = ContinuousClock()
        let end = clock.now + .seconds(seconds)
        var round: UInt64 = 0
        var complete: UInt64 = 0
        while clock.now < end {
            // A seed of its own for every round, so that one round can be run again without those before it.
            var damage = Damage(state: seed &+ round)
            for _ in 0..<200 {
                let bytes = damage.damaged(seeds)
                do {
                    if try Self.check(bytes) { complete += 1 }
                } catch {
                    print("ImageFuzz: broken with --seed \(seed &+ round): \(error)")
                    throw ExitCode.failure
                }
            }
            round += 1
        }
        print("ImageFuzz: \(round * 200) pictures, \(complete) of them still complete, nothing broken")
    }

    private struct Broken: Error { let what: String }

    /// Whether the bytes count as complete. What does is measured within the bounds, and the answer is the same twice.
    private static func check(_ bytes: [UInt8]) throws -> Bool {
        let verdict = examine(bytes)
        guard examine(bytes) == verdict else { throw Broken(what: "two answers for the same bytes") }
        guard case .success(let facts) = verdict else { return false }
        guard facts.width > 0, facts.height > 0, Int64(facts.width) * Int64(facts.height) <= Limits.Picture.pixelsMax
        else { throw Broken(what: "\(facts) is out of bounds") }
        return true
    }

    private static func examine(_ bytes: [UInt8]) -> Result<ImageFacts, ImageError> {
        Result { () throws(ImageError) in try ImageStructure.examine(bytes.span.bytes) }
    }
}

/// Damages pictures: lengths and markers rather than pixels, and now and then a PNG chunk's CRC made right again.
struct Damage: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        // SplitMix64.
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    private mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<max(1, bound), using: &self) }

    mutating func damaged(_ seeds: [[UInt8]]) -> [UInt8] {
        var bytes = seeds[below(seeds.count)]
        for _ in 0...below(6) { change(&bytes) }
        if below(2) == 0 { mendChecksums(&bytes) }
        return bytes
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        // Headers and the end matter most.
        let place = below(3) == 0 ? below(bytes.count) : min(below(64), max(0, bytes.count - 1))
        guard !bytes.isEmpty else { return }
        switch below(6) {
        case 0: bytes[place] = [0, 1, 0x7f, 0x80, 0xd8, 0xd9, 0xda, 0xff][below(8)]
        case 1: bytes[place] ^= 1 << UInt8(below(8))
        case 2: bytes.removeSubrange(place..<min(bytes.count, place + below(20)))
        case 3: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + below(40))], at: place)
        case 4: bytes.removeLast(min(bytes.count, below(40)))
        default:
            for offset in place..<min(place + 4, bytes.count) { bytes[offset] = below(2) == 0 ? 0xff : 0 }
        }
    }

    /// Walks the chunks of a PNG as far as they go, and gives each the CRC that its bytes have.
    private func mendChecksums(_ bytes: inout [UInt8]) {
        guard bytes.starts(with: [0x89, 0x50, 0x4e, 0x47]) else { return }
        var offset = 8
        while offset + 12 <= bytes.count {
            let length = bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
            guard offset + 12 + length <= bytes.count else { return }
            let crc = CRC32.checksum(Array(bytes[offset + 4..<offset + 8 + length]).span)
            for index in 0..<4 {
                bytes[offset + 8 + length + index] = UInt8(truncatingIfNeeded: crc >> UInt32(24 - 8 * index))
            }
            offset += 12 + length
        }
    }
}
