import AvatarCache
import AvatarCore
import FolderWatch
import Foundation
import TestPictures

// A process that tests start and kill.
//
//     folder-helper storm ROOT ROUND   commits pictures until it is killed; writes one byte to standard output after each step
//     folder-helper watch FOLDER       attaches one folder and says how that went
//     folder-helper idle FOLDER        attaches one folder and waits until standard input is closed

let arguments = CommandLine.arguments
switch arguments.dropFirst().first {
case "storm" where arguments.count == 4:
    do {
        var storm = try Storm(root: arguments[2], round: Int(arguments[3]) ?? 0)
        try storm.rage()
    } catch {
        FileHandle.standardError.write(Data("folder-helper: \(error)\n".utf8))
        exit(1)
    }
case "watch" where arguments.count == 3:
    do throws(WatchError) {
        let watch = try FolderWatch { _ in }
        defer { watch.stop() }
        try watch.attach(FolderID(1), path: arguments[2])
        print("attached")
    } catch {
        print(error.code.rawValue, error.remedy ?? "-")
    }
case "idle" where arguments.count == 3:
    do throws(WatchError) {
        let watch = try FolderWatch { _ in }
        defer { watch.stop() }
        try watch.attach(FolderID(1), path: arguments[2])
        FileHandle.standardOutput.write(Data("idle\n".utf8))
        _ = readLine()
    } catch {
        exit(1)
    }
default:
    FileHandle.standardError.write(Data("folder-helper storm ROOT ROUND | watch FOLDER | idle FOLDER\n".utf8))
    exit(2)
}
