import AvatarCore
import Testing

@testable import TransferMachines

/// Whole lives of transfers over HTTP, with servers that break off, lie, change their minds and forget. Each seed is a life; a failing one repeats.
@Suite struct HTTPLivesTests {
    // MARK: Down

    /// A server with one picture that is replaced now and then, and what the agent's disk has of it.
    private struct DownLife {
        var random: SeededRandom
        let name: AvatarName
        var way = HTTPDownloads()
        var versions: [[UInt8]] = []
        var part: [UInt8] = []
        var plan: PartPlan?
        var now = at(.seconds(0))
        var isHonest = false
        var isFailed = false

        init(seed: UInt64) throws {
            random = SeededRandom(seed: seed)
            name = try AvatarName("ada.png")
            replace()
            way.begin(name, from: nil, known: nil)
        }

        var place: Downloads.Place { Downloads.Place(name: name, priority: .visible, isByAge: false) }
        mutating func draw(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }
        mutating func replace() {
            let number = UInt8(versions.count % 250)
            // Versions of one size show whether bytes are told apart by more than that.
            versions.append([UInt8](repeating: number, count: [150, 300][draw(2)]))
        }

        func tag(_ version: Int) -> String { "\"v\(version)\"" }

        /// One request and whatever comes for it.
        mutating func step() throws {
            now = now + .milliseconds(100)
            for case .http(let id, .picture(_, let from, let tag, _)) in way.ask([place], now: now) {
                try answer(id, from: Int(from), tag)
            }
        }

        private mutating func answer(_ id: HTTPCallID, from: Int, _ asked: String?) throws {
            if !isHonest {
                if draw(4) == 0 { replace() }
                switch draw(10) {
                case 0: return way.connectionLost()
                case 1: return try give(id, .head(HTTPHead(status: [416, 429, 503][draw(3)])))
                default: break
                }
            }
            let version = versions.count - 1
            let bytes = versions[version]
            let isLie = !isHonest && draw(8) == 0
            let goesOn = from > 0 && (asked == tag(version) || isLie) && from < bytes.count
            var head = HTTPHead(status: 200, length: Int64(bytes.count), tag: tag(version))
            if goesOn {
                head = HTTPHead(
                    status: 206, length: Int64(bytes.count - from), range: Int64(from)..<Int64(bytes.count),
                    totalSize: Int64(bytes.count), tag: tag(version))
            }
            try give(id, .head(head))
            var rest = bytes[(goesOn ? from : 0)...]
            while !rest.isEmpty {
                if !isHonest {
                    switch draw(12) {
                    case 0: return way.connectionLost()
                    case 1: return try give(id, .end)
                    default: break
                    }
                }
                let piece = rest.prefix(1 + draw(100))
                rest = rest.dropFirst(piece.count)
                try give(id, .bytes(Array(piece)))
            }
            try give(id, .end)
        }

        private mutating func give(_ id: HTTPCallID, _ reply: HTTPReply) throws {
            let answer = way.replied(.http(id, reply), places: [place], now: now, random: &random)
            guard case .of(_, let events) = answer else { return }
            for event in events {
                switch event {
                case .began(let promise): (plan, part) = (promise, [])
                case .received(let offset, let bytes):
                    try #require(offset == Int64(part.count), "a gap or an overlap in the part")
                    part += bytes
                    _ = way.wrote(name, through: Int64(part.count))
                case .failed: isFailed = true
                default: break
                }
            }
        }

        /// The agent is killed and starts again, from what the disk has.
        mutating func restart() {
            let kept = plan.map { Part(plan: $0, held: Int64(part.count), begun: now) }
            way = HTTPDownloads()
            way.begin(name, from: kept, known: nil)
        }

        func check(_ seed: UInt64) {
            guard let plan, way.isReceived(name) else { return }
            let whole = versions.indices.first { tag($0) == plan.tag }.map { versions[$0] }
            #expect(part == whole, "seed \(seed): bytes of two versions")
        }
    }

    @Test func whatIsReceivedIsAlwaysOneVersionWhole() throws {
        var received = 0
        for seed in UInt64(1)...3000 {
            var life = try DownLife(seed: seed)
            for _ in 0..<30 where !life.way.isReceived(life.name) && !life.isFailed {
                try life.step()
                if life.draw(6) == 0, !life.way.isReceived(life.name) { life.restart() }
                life.check(seed)
            }
            // Before an honest server it comes to its end in any case.
            life.isHonest = true
            if life.isFailed { life.way.begin(life.name, from: nil, known: nil) }
            for _ in 0..<100 where !life.way.isReceived(life.name) { try life.step() }
            #expect(life.way.isReceived(life.name), "seed \(seed)")
            life.check(seed)
            received += 1
        }
        #expect(received == 3000)
    }

    // MARK: Up

    /// A server that takes crops in one piece and in pieces, and knows whose turn it was last.
    private struct UpLife {
        var random: SeededRandom
        var queue = UploadQueue()
        let crops: [Crop]
        var waiting: [Crop]
        var now = at(.seconds(0))
        var isHonest = false
        var icon: Crop?
        var bytes: [CropID: Int64] = [:]
        var calls: [HTTPCallID: HTTPCall] = [:]
        var uploads: [String: (crop: Crop, held: Int64)] = [:]
        var bodies: [HTTPCallID: (from: Int64, count: Int64, isWhole: Bool)] = [:]
        var told: [CropID] = []

        init(seed: UInt64) {
            random = SeededRandom(seed: seed)
            crops = (1...5).map { number in
                crop(
                    number, "\(number).png",
                    size: number.isMultiple(of: 2) ? Limits.HTTPWay.putBytesMax + number * 1000 : number * 100)
            }
            waiting = crops
            queue.take(.http)
        }

        mutating func draw(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }

        mutating func step() {
            now = now + .seconds(2)
            if !waiting.isEmpty, draw(2) == 0 { queue.add(waiting.removeFirst()) }
            // Answers come in any order.
            for _ in 0..<4 { take(queue.pump(now: now)) }
            if !isHonest, draw(10) == 0 { return cut() }
            for id in calls.keys.shuffled(using: &random) where draw(3) > 0 || isHonest { answer(id) }
        }

        private mutating func cut() {
            // Of some requests the server had heard enough, and the answer is lost.
            for id in calls.keys.shuffled(using: &random) where draw(3) == 0 { _ = work(id) }
            (calls, bodies) = ([:], [:])
            queue.connectionLost()
        }

        private mutating func take(_ events: [UploadEvent]) {
            for event in events {
                switch event {
                case .send(.http(let id, let call)):
                    calls[id] = call
                    if case .continueUpload(_, _, let offset) = call { bodies[id] = (offset, 0, false) }
                    if case .put = call { bodies[id] = (0, 0, false) }
                case .send(.body(let id, _, let piece, let isLast)):
                    bodies[id]?.count += Int64(piece.count)
                    if isLast { bodies[id]?.isWhole = true }
                case .needs(let crop, let range):
                    queue.read(crop.id, at: range.lowerBound, bytes: [UInt8](repeating: 1, count: range.count))
                case .uploaded(let crop):
                    told.append(crop.id)
                    queue.uploaded(crop)
                    queue.noted(crop.id)
                    queue.finished(crop.id)
                case .refused(let crop, let refusal): _ = queue.refused(crop.id, refusal, now: now, random: &random)
                default: break
                }
            }
            for case .cancel(let id) in queue.takeCancelled() { (calls[id], bodies[id]) = (nil, nil) }
        }

        private mutating func answer(_ id: HTTPCallID) {
            let isOdd = !isHonest && draw(8) == 0
            let head = isOdd ? HTTPHead(status: [503, 500, 404, 409, 429][draw(5)]) : work(id)
            guard let head else { return }
            (calls[id], bodies[id]) = (nil, nil)
            take(queue.replied(.http(id, .head(head)), now: now))
        }

        /// What the server does for a request; nil while it has not heard all of it.
        private mutating func work(_ id: HTTPCallID) -> HTTPHead? {
            switch calls[id] {
            case .put(let crop):
                guard bodies[id]?.isWhole == true else { return nil }
                finish(crop, bodies[id]?.count ?? 0)
                return HTTPHead(status: 201)
            case .createUpload(let crop):
                let place = "/up/\(crop.id.value)-\(uploads.count)"
                uploads[place] = (crop, 0)
                return HTTPHead(status: 201, location: place)
            case .askOffset(let place):
                if !isHonest, draw(6) == 0 { uploads[place] = nil }
                return uploads[place].map { HTTPHead(status: 200, uploadOffset: $0.held) } ?? HTTPHead(status: 404)
            case .continueUpload(let crop, let place, let offset):
                guard let upload = uploads[place], let body = bodies[id] else { return HTTPHead(status: 404) }
                guard upload.held == offset else { return HTTPHead(status: 409) }
                guard body.isWhole else {
                    // What came stays, whatever becomes of the rest.
                    return nil
                }
                uploads[place]?.held = offset + body.count
                guard offset + body.count == crop.size else {
                    return HTTPHead(status: 204, uploadOffset: offset + body.count)
                }
                finish(crop, crop.size)
                return HTTPHead(status: 204, uploadOffset: crop.size)
            default: return nil
            }
        }

        private mutating func finish(_ crop: Crop, _ count: Int64) {
            bytes[crop.id] = count
            icon = crop
        }
    }

    @Test func theNewestCropIsTheIconInTheEndAndEveryCropThatWasToldIsWhole() {
        for seed in UInt64(1)...2000 {
            var life = UpLife(seed: seed)
            for _ in 0..<40 { life.step() }
            life.isHonest = true
            for _ in 0..<400 where !(life.waiting.isEmpty && life.queue.count == 0) { life.step() }
            #expect(life.queue.count == 0, "seed \(seed): crops wait for ever")
            #expect(life.icon?.id == life.crops.last?.id, "seed \(seed)")
            #expect(life.told == life.told.sorted(), "seed \(seed): told out of order")
            for id in life.told {
                let crop = life.crops.first { $0.id == id }
                #expect(life.bytes[id] == crop?.size, "seed \(seed): told and not whole")
            }
        }
    }
}
