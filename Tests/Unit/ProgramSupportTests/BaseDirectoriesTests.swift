import BusTestSupport
import Foundation
import ProgramSupport
import Testing

/// Where things lie, by the XDG base directory specification.
@Suite struct BaseDirectoriesTests {
    private func directories(_ variables: [String: String], unreadable: [String] = []) -> BaseDirectories {
        BaseDirectories(ProcessEnvironment(variables, unreadable: unreadable), user: 7) {
            ["/home/ada", "/", "/run/user/7"].contains($0)
        }
    }

    @Test(arguments: [
        (["HOME": "/home/ada"], "/home/ada/.local/share"), (["HOME": "/home/ada/"], "/home/ada/.local/share"),
        (["HOME": "/"], "/.local/share"), (["XDG_DATA_HOME": "/data"], "/data"),
        (["XDG_DATA_HOME": "/data//"], "/data"),
        (["XDG_DATA_HOME": "data", "HOME": "/home/ada"], "/home/ada/.local/share"),
        (["XDG_DATA_HOME": "", "HOME": "/home/ada"], "/home/ada/.local/share"),
        (["XDG_DATA_HOME": "/data", "HOME": "nonsense"], "/data"),
    ])
    func dataLies(_ variables: [String: String], _ path: String) throws {
        #expect(try directories(variables).path(.data) == path)
    }

    @Test(arguments: [
        ([:], "is not set"), (["HOME": ""], "is empty"), (["HOME": "ada"], "no absolute path"),
        (["HOME": "/nobody"], "no folder"),
    ])
    func aHomeThatIsNoneIsSaidWhenItIsNeeded(_ variables: [String: String], _ reason: String) {
        #expect { try directories(variables).path(.state) } throws: { error in
            guard let fault = (error as? ConfigurationError)?.faults.first else { return false }
            return fault.source == .environment("HOME") && fault.reason.contains(reason)
                && fault.reason.contains("XDG_STATE_HOME")
        }
    }

    @Test(arguments: ["HOME", "XDG_DATA_HOME"])
    func aPathThatIsNotUTF8IsRefused(_ name: String) {
        #expect { try directories([:], unreadable: [name]).path(.data) } throws: { error in
            (error as? ConfigurationError)?.faults.first?.source == .environment(name)
                && "\(error)".contains("not UTF-8")
        }
    }

    @Test func aHomeThatIsNotUTF8HarmsNobodyWhoDoesNotNeedIt() throws {
        #expect(try directories(["XDG_DATA_HOME": "/data"], unreadable: ["HOME"]).path(.data) == "/data")
    }

    @Test(arguments: [
        (["XDG_RUNTIME_DIR": "/run/x"], "/run/x/avatard/agent.sock"), ([:], "/run/user/7/avatard/agent.sock"),
        (["XDG_RUNTIME_DIR": "run"], "/run/user/7/avatard/agent.sock"),
    ])
    func theSocketLies(_ variables: [String: String], _ path: String) throws {
        #expect(try directories(variables).busSocket() == path)
    }

    @Test func withoutAnyRuntimeFolderTheSocketLiesInTheStateFolder() throws {
        let directories = BaseDirectories(ProcessEnvironment(["HOME": "/home/ada"]), user: 8) { $0 == "/home/ada" }
        #expect(try directories.busSocket() == "/home/ada/.local/state/avatard/agent.sock")
    }

    @Test func aRelativePathIsIgnoredWithAWord() {
        let words = directories(["XDG_STATE_HOME": "state", "XDG_RUNTIME_DIR": "./run", "XDG_DATA_HOME": ""]).ignored
        #expect(words.count == 2)
        #expect(words[0].contains("XDG_STATE_HOME is \"state\"") && words[1].contains("XDG_RUNTIME_DIR"))
    }

    @Test func noConfigurationIsLookedForWhereNothingSaysWhere() throws {
        #expect(try directories([:]).configurationFile("a.yaml") == nil)
        #expect(try directories(["HOME": "/nobody"]).configurationFile("a.yaml") == nil)
    }

    @Test func theConfigurationOfARelativeFolderIsIgnored() throws {
        let folder = try TemporaryFolder()
        let config = folder.file(".config/avatard")
        try FileManager.default.createDirectory(atPath: config, withIntermediateDirectories: true)
        try Data().write(to: URL(fileURLWithPath: config + "/avatard.yaml"))
        let directories = BaseDirectories(ProcessEnvironment(["HOME": folder.path, "XDG_CONFIG_HOME": "elsewhere"]))
        #expect(try directories.configurationFile("avatard/avatard.yaml") == config + "/avatard.yaml")
    }
}
