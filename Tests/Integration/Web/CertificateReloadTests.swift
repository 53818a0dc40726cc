import BusTestSupport
import Foundation
import Glibc
import TestPictures
import Testing

extension RealPrograms {
    /// The server's certificate is replaced while it runs.
    @Suite("Another certificate")
    struct CertificateReload {
        /// A certificate of its own for the stage's names, and its key, in a folder of their own.
        private func pair(_ name: String, _ stage: WebStage) async throws -> (certificate: String, key: String) {
            let folder = stage.folder.file(name)
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let made = try await Program.run(
                "/usr/bin/openssl",
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-keyout", folder + "/key.pem", "-out", folder + "/cert.pem", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                ], in: stage.folder)
            try #require(made.status == 0, "\(made.errors)")
            return (folder + "/cert.pem", folder + "/key.pem")
        }

        private func serial(ofFile path: String, _ stage: WebStage) async throws -> String {
            try await Program.run("/usr/bin/openssl", ["x509", "-noout", "-serial", "-in", path], in: stage.folder)
                .output
        }

        /// The serial of the certificate that a new connection gets.
        private func served(_ stage: WebStage) async throws -> String {
            let line = "openssl s_client -connect 127.0.0.1:\(stage.frontPort) | openssl x509 -noout -serial"
            return try await Program.run("/bin/sh", ["-c", line], in: stage.folder).output
        }

        private func link(_ path: String, to target: String) throws {
            try? FileManager.default.removeItem(atPath: path)
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
        }

        private func replace(_ path: String, by new: String) throws { try writeByRename(contents(new) ?? [], to: path) }

        private let taken = "new connections get another certificate"
        private let notTaken = "the certificate was not taken: the one before stays in use"

        @Test("symlinks that lead to another one, as certbot leaves them, are noticed")
        func symlinks() async throws {
            try await WebStage.run { stage in
                let (first, second) = (try await pair("archive/1", stage), try await pair("archive/2", stage))
                let live = stage.folder.file("live")
                try FileManager.default.createDirectory(atPath: live, withIntermediateDirectories: true)
                try link(live + "/cert.pem", to: "../archive/1/cert.pem")
                try link(live + "/key.pem", to: "../archive/1/key.pem")
                try await stage.restartServer([
                    "--http-tls-certificate-file", live + "/cert.pem", "--http-tls-key-file", live + "/key.pem",
                ])
                #expect(try await served(stage) == serial(ofFile: first.certificate, stage))
                try link(live + "/cert.pem", to: "../archive/2/cert.pem")
                try link(live + "/key.pem", to: "../archive/2/key.pem")
                try await stage.server.program.log.line(with: taken, "file=\(live)/cert.pem", "until=")
                #expect(try await served(stage) == serial(ofFile: second.certificate, stage))
            }
        }

        @Test("one of two files alone leaves the old pair in use, and the other one completes the new")
        func fileByFile() async throws {
            try await WebStage.run { stage in
                let new = try await pair("new", stage)
                let old = try await serial(ofFile: stage.certificate, stage)
                let key = stage.folder.file("key.pem")
                let log = try stage.server.program.log
                try replace(key, by: new.key)
                try await log.line(
                    with: notTaken, "http.tls.keyFile: \(key) is not the key of the certificate in \(stage.certificate)"
                )
                #expect(try await served(stage) == old)
                try replace(stage.certificate, by: new.certificate)
                try await log.line(with: taken)
                #expect(try await served(stage) == serial(ofFile: new.certificate, stage))
                #expect(log.lines(with: notTaken).count == 1)
            }
        }

        @Test("SIGHUP reads both files, and says each time why a pair is not taken")
        func hangUp() async throws {
            try await WebStage.run { stage in
                let old = try await serial(ofFile: stage.certificate, stage)
                let program = try stage.server.program
                // Written into, as a shell does, and not renamed over.
                let file = try #require(FileHandle(forWritingAtPath: stage.certificate))
                try file.truncate(atOffset: 0)
                try file.write(contentsOf: Data("words\n".utf8))
                try file.close()
                let reason = "http.tls.certificateFile: \(stage.certificate) has no certificate in PEM"
                try await program.log.line(with: notTaken, reason)
                program.signal(SIGHUP)
                try await program.log.line(with: notTaken, reason, occurrences: 2)
                try FileManager.default.removeItem(atPath: stage.folder.file("key.pem"))
                try replace(stage.certificate, by: try await pair("new", stage).certificate)
                try await program.log.line(with: notTaken, "http.tls.keyFile: cannot be read: open")
                #expect(try await served(stage) == old)
            }
        }

        @Test("a connection that stands lives on")
        func standing() async throws {
            try await WebStage.run { stage in
                for name in ["a.png", "b.png"] {
                    try stage.server.place(try TestPictures.picture("ada.png"), name, for: stage.ada)
                }
                try await stage.startAgent()
                try await stage.agent.fetch(["a.png"])
                let new = try await pair("new", stage)
                try replace(stage.folder.file("key.pem"), by: new.key)
                try replace(stage.certificate, by: new.certificate)
                try await stage.server.program.log.line(with: taken)
                // The agent trusts the old certificate alone.
                try await stage.agent.fetch(["b.png"])
                #expect(sha256(ofFile: stage.agent.cached("b.png")) == sha256(try TestPictures.picture("ada.png")))
                #expect(stage.wire.connections == 1)
            }
        }
    }
}
