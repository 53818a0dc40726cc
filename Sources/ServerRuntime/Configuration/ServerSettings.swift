package import AvatarCore
package import ProgramSupport
import TransferMachines

/// Everything that can be configured about the server, checked and typed.
package struct ServerSettings: Sendable {
    package enum StoresKind: String, Sendable, CaseIterable {
        case embedded
        case cluster
    }

    /// What the server syncs before it acknowledges the last chunk of an upload.
    package enum Sync: String, Sendable, CaseIterable {
        /// The file with fdatasync and its folder with fsync: the upload survives a power cut.
        case full
        /// Nothing: the upload survives the death of the process, not a power cut.
        case none
    }

    package struct Redis: Sendable {
        package var host = "127.0.0.1"
        package var port = 6379
        /// A Unix socket, used before host and port when it is set.
        package var socket: String?
        package var password: String?

        package init() {}
    }

    package struct MySQL: Sendable {
        package var host = "127.0.0.1"
        package var port = 3306
        /// A Unix socket, used before host and port when it is set.
        package var socket: String?
        package var user = "avatar"
        package var password: String?
        package var schema = "llfc"

        package init() {}
    }

    /// The HTTP front, which is off unless there is a certificate or a proxy in front.
    package struct HTTP: Sendable {
        /// PEM files.
        package struct TLS: Sendable, Hashable {
            package var certificateFile: String
            package var keyFile: String

            package init(certificateFile: String, keyFile: String) {
                self.certificateFile = certificateFile
                self.keyFile = keyFile
            }
        }

        package var host = "127.0.0.1"
        package var port = 9443
        /// A Unix socket, in place of host and port; for a proxy, without TLS.
        package var socket: String?
        /// Who may connect to it.
        package var socketMode: UInt32 = 0o660
        package var tls: TLS?
        /// Without TLS, for a proxy on this machine.
        package var isPlaintext = false
        /// Whether current avatars are shown to everybody.
        package var publicAvatars = false
        /// Web pages of these origins may read answers (`https://chat.example.org`), with a login too.
        package var corsOrigins: Set<ExactString> = []
        package var isOn: Bool { tls != nil || isPlaintext }

        package init() {}
    }

    package var http = HTTP()
    package var listenHost = "127.0.0.1"
    package var listenPort = 9090
    package var storageRoot = "/var/lib/avatar-server/files"
    package var storageSync = Sync.full
    package var storesKind = StoresKind.embedded
    package var sqliteFile = "/var/lib/avatar-server/avatar-server.sqlite"
    package var redis = Redis()
    package var mysql = MySQL()
    package var classicChunkBytes = Limits.Wire.classicChunkBytesDefault
    package var classicBodyBytesMax = Limits.Server.bodyBytesMaxDefault
    package var classicOpenUpload = false
    package var uploadBytesMax = Limits.Picture.uploadBytesMaxDefault
    /// nil: no quota.
    package var quotaBytesPerUser: Int64?
    package var metricsHost = "127.0.0.1"
    /// nil: no metrics port.
    package var metricsPort: Int?
    package var logLevel = "info"
    package var logFormat = ProgramLog.Form.text

    /// The defaults.
    package init() {}

    var upload: UploadExchange.Settings {
        UploadExchange.Settings(bytesMax: uploadBytesMax, quotaBytes: quotaBytesPerUser, openUpload: classicOpenUpload)
    }
}
