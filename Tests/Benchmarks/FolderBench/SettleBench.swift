import AvatarCache
import AvatarCore
import Dispatch
import FolderWatch
import Foundation
import TestPictures

/// From a writer's close to the first bytes in hand: event heard, lease probed, digests made, chunk read. The socket is not part
/// of it.
enum SettleBench {
    static let rounds = 50

    static func run() throws {
        for (label, size) in [("20 KiB", 20 * 1024), ("2 MiB", 2 << 20), ("8 MiB", 8 << 20)] {
            let root = try BenchFolder()
            let upload = try UploadFolder(path: root.path)
            let heard = DispatchSemaphore(value: 0)
            let watch = try FolderWatch { events in
                if events.contains(where: { $0.kind == .closedAfterWriting }) { heard.signal() }
            }
            defer { watch.stop() }
            try watch.attach(FolderID(1), path: root.path)
            var times: [Duration] = []
            for round in 0..<rounds {
                let name = try AvatarName("crop-\(round).png")
                let picture = Data(try TestPictures.padded(.png, to: size, seed: UInt8(round)))
                let file = open(root.path + "/" + name.string, O_CREAT | O_WRONLY, 0o600)
                _ = picture.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
                times.append(
                    try ContinuousClock().measure {
                        close(file)
                        heard.wait()
                        guard case .settled(let facts) = upload.examine(name),
                            case .bytes = try upload.readChunk(of: facts, 0..<2048)
                        else { throw CacheError(.io, "settling in the benchmark") }
                    })
            }
            let worst = (times.max() ?? .zero).text
            print(
                "close to first chunk in hand, \(label): median \(times.median.text), worst \(worst) of \(rounds), wanted under 50 ms"
            )
        }
    }
}
