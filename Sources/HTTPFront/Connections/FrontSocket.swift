internal import AvatarCore
internal import Glibc
internal import PosixFiles
internal import ProgramSupport
internal import ServerRuntime
internal import Synchronization

/// The Unix socket of a front that a proxy on this machine connects to.
package final class FrontSocket: Sendable {
    let path: String
    private let mode: UInt32
    private let place = Mutex<SocketPlace?>(nil)

    init(_ path: String, mode: UInt32) {
        self.path = path
        self.mode = mode
    }

    /// Why no socket can be made at a path; nil when one can. Changes nothing.
    package static func problem(_ path: String) -> String? {
        let folder = SocketPlace.split(path).folder
        guard access(folder, W_OK | X_OK) != 0 else { return nil }
        return "\(folder): \(ErrorWords.kernel(errno))"
    }

    /// Takes away what a server left there that did not end by itself. Whoever listens there now is left alone.
    func makeRoom() throws(ListenFault) {
        let folder: Folder
        do throws(PosixError) {
            folder = try Folder(path: SocketPlace.split(path).folder)
        } catch {
            throw ListenFault(
                "cannot listen on \(path): \(error); the folder of http.listen.socket must be there (RuntimeDirectory= in "
                    + "the unit makes one)")
        }
        do throws(PosixError) {
            try SocketPlace.clear(path, in: folder)
        } catch {
            switch error.code {
            case EADDRINUSE: throw ListenFault("cannot listen on \(path): another server answers there")
            case EEXIST:
                throw ListenFault(
                    "cannot listen on \(path): something lies there that is no socket of this user's; move it away")
            default: throw ListenFault("cannot listen on \(path): \(error)")
            }
        }
    }

    /// The socket is there, and until now only its owner could connect.
    func opened() throws(PosixError) {
        place.withLock { $0 = SocketPlace(path: path, isOwned: true) }
        guard chmod(path, mode) == 0 else { throw .last("chmod", path: path) }
    }

    func remove() { place.withLock { $0 }?.unlinkIfOurs() }
}
