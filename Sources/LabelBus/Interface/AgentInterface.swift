/// The interface that the agent serves, word for word as it goes over the wire.
package enum AgentInterface {
    /// The interface's name, and the prefix of its methods and errors.
    package static let name = "org.avatard.Agent"

    /// The text that `GetInterfaceDescription` answers for ``name`` (docs/label-bus.md, "The interface").
    package static let description = """
        # Keeps a chat user's avatar cache in sync and tells labels when their picture is there.
        interface org.avatard.Agent

        # One avatar as the agent knows it.
        # state: "ready", "outgoing" (own crop, path is there), "builtin", "absent", "failed": final until something changes;
        #        "pending", "paused": not yet. assurance: "digest" or "structural".
        # path: a complete, verified file; never a partial one. fallback: a picture to show until then, always there.
        type Avatar (
          name: ?string,
          owner: ?int,
          state: string,
          path: ?string,
          fallback: ?string,
          size: ?int,
          transferred: ?int,
          sha256: ?string,
          assurance: ?string,
          generation: int,
          reason: ?string,
          retry_at: ?string
        )

        # A label is the subscriber's own id for a widget that shows an avatar.
        # visibility: "visible" (default), "near", "hidden": what is seen is fetched first.
        # name, owner, or both: owner alone means whatever that user's current avatar is (not on the classic wire).
        type LabelRequest (label: string, name: ?string, owner: ?int, visibility: ?string)
        type LabelState (label: string, avatar: Avatar)
        # kind: "ready", "changed", "removed", "failed", "uploaded", "icon" (the user's own avatar is now this one)
        # at, size, reason: when it happened, the bytes of the picture, and why, as they were then; avatar: how the picture is now.
        type Change (cursor: int, at: ?string, kind: string, size: ?int, reason: ?string, avatar: Avatar)
        type Step (at: string, what: string, detail: ?string)
        # url: the base URL of a server that is spoken to in HTTP; host and port are those of the URL then.
        type Server (host: string, port: int, url: ?string)
        # until: the last moment at which the certificate is valid
        type Certificate (issuer: string, until: string)
        type Problem (what: string, since: string, remedy: ?string)
        # Where a folder is not as the agent knows it. folder: "crops", "cache". what: "new" (never looked at), "changed" (another file
        # than was looked at), "gone" (known and not there), "refused" (not uploaded, for this reason), "waiting" (to be uploaded for another
        # user or server, which reason names).
        type Difference (folder: string, name: string, what: string, reason: ?string)

        # Registers labels, and fetches what is missing. First every label's state now, at most 500 in a reply, the last of them with
        # synced=true. With `more`, a reply follows whenever a label's picture completes, changes or fails for good. keep=false (default):
        # a label is done with its first final state, and the stream ends when all are. keep=true: it goes on until the client hangs up,
        # which takes all labels back. Without `more`: the states now (at most 500 labels), and the missing are fetched once.
        method Register(labels: []LabelRequest, keep: ?bool, heartbeat: ?bool) ->
          (subscription: ?string, labels: []LabelState, synced: ?bool)

        # Changes a running subscription from another connection: a list that scrolls need not register again.
        method Adjust(subscription: string, add: ?[]LabelRequest, remove: ?[]string, visible: ?[]string, hidden: ?[]string) -> ()

        # Every change since a cursor, then (with `more`) each new one. reset=true: the log no longer reaches back that far, or the epoch
        # is another; the client re-reads with List. Within an epoch cursors survive restarts, have no gaps and never go back.
        method Watch(epoch: ?string, since: ?int, heartbeat: ?bool) ->
          (epoch: string, cursor: int, reset: ?bool, changes: []Change)

        method Get(name: string, owner: ?int) -> (avatar: Avatar)
        method List(state: ?string, after: ?string, limit: ?int) -> (avatars: []Avatar, next: ?string)
        # Fetches pictures. accepted: how many names are fetched or there. With `more`, a reply follows for each of them, and whenever one
        # has come further, with that one as avatar; the last when all are final.
        # With `again` the server is asked also for pictures that are there; each stays until another one has come whole.
        method Fetch(names: []string, visibility: ?string, again: ?bool) -> (accepted: int, avatar: ?Avatar)
        method Upload(path: string) -> (avatar: Avatar)
        method Forget(name: string) -> ()
        # The person does not want to hear of this file of the upload folder any more: it stays there, is no problem, and is not tried again
        # until it is changed or uploaded anew. UnknownAvatar where Status has no problem with the file.
        method Dismiss(name: string) -> ()
        method Pause(direction: ?string) -> ()
        method Resume(direction: ?string) -> ()
        method Login(server: Server, uid: int, token: string) -> ()
        method Logout() -> ()
        # connection: "online", "connecting", "waiting", "offline", "refused"; dialect: "classic", "https", "http". icon: the user's own avatar.
        method Status() -> (
          version: string,
          connection: string,
          since: string,
          server: ?Server,
          uid: ?int,
          dialect: ?string,
          icon: ?Avatar,
          downloads: int,
          uploads: int,
          labels: int,
          cached: int,
          bytes: int,
          problems: []Problem,
          figures: [string]float
        )
        method Explain(name: string) -> (steps: []Step)
        # Compares the folders with what the agent knows of them. look=true: first looks through both, examines what differs, and tries
        # refused files again. total: how many differences there are, of which at most 500 are told.
        method Check(look: ?bool) -> (differences: []Difference, total: int)
        # Asks the server whether it takes the login; answered as soon as that is known, or the server cannot be reached.
        # version, date, tls, certificate: what the server says it is and what time, and how the connection is encrypted, where it is.
        method Verify() ->
          (server: Server, uid: int, dialect: string, version: ?string, date: ?string, tls: ?string, certificate: ?Certificate)

        error NotLoggedIn ()
        error UnknownAvatar (name: string)
        error InvalidName (name: string, reason: string)
        error NotAnImage (path: string, reason: string)
        error TooLarge (path: string, size: int, limit: int)
        error ServerRefused (code: int, reason: string)
        error StorageFailed (reason: string)
        error LoginFixed (reason: string)
        error ServerUnreachable (reason: string)
        error Lagging (dropped: int)
        error TooMany (what: string, limit: int)
        error UnknownSubscription (subscription: string)

        """
}
