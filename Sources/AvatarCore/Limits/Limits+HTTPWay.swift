extension Limits {
    /// The agent's side of HTTP.
    package enum HTTPWay {
        /// Pictures that are fetched at the same time, however large they are.
        package static let activeMin = 8
        /// Requests for pictures at the same time. With ``uploadsMax`` and the stream of changes they are no more than nginx and our server take on
        /// one connection of HTTP/2, 128.
        package static let streamsMax = 80
        /// Bytes that may be on their way or promised before no other picture begins, in each direction.
        package static let plannedBytesMax: Int64 = 4 * 1024 * 1024
        /// Bytes that came and that the disk has not taken, after which no more are read from the network.
        package static let unwrittenBytesMax = 4 * 1024 * 1024
        /// Crops that are sent at the same time.
        package static let uploadsMax = 46
        /// Pictures that are fetched at the same time over HTTP/1.1, each on a connection of its own.
        package static let connectionsMax = 8
        /// Crops that are sent at the same time over HTTP/1.1.
        package static let uploadConnectionsMax = 4
        /// The newest crops, which end one after the other: should the newest come to nothing, the one before it is to be the icon.
        package static let orderedCropsMax = 3
        /// A crop of at most so many bytes goes up in one PUT.
        package static let putBytesMax: Int64 = 256 * 1024
        /// Cuts of such a crop's upload after which it goes up in pieces that can be gone on with.
        package static let putCutsMax = 1
        /// Uploads in pieces that are begun anew for one crop before the try counts as refused.
        package static let beginsMax = 4
        /// Bytes of the place of an upload in pieces that a later run may go on with.
        package static let locationBytesMax = 2048
        /// Bytes of a crop that were read and have not left for the network.
        package static let readAheadBytesMax: Int64 = 1024 * 1024
        /// The longest that a server's `Retry-After` is followed.
        package static let pauseMax = Duration.seconds(60)
        /// How often in a row a server may put off one picture.
        package static let pausesMax = 8
        /// Bytes of a response's head.
        package static let headBytesMax = 32 * 1024
        /// Bytes of an error's body that are read for its words.
        package static let problemBytesMax = 8 * 1024
        /// Characters of a server's words that a person is shown.
        package static let detailCharactersMax = 200
        /// Users whose avatars are followed at once, as many as our server takes in one stream.
        package static let followedMax = 10_000
        /// How long a user is followed on whom nobody wants followed any more.
        package static let unwantedTime = Duration.seconds(3600)
        /// Accounts whose followed users the catalog keeps; beyond them those that were followed longest ago are forgotten.
        package static let followingAccountsMax = 16
        /// How often in a row the stream of changes may fail before avatars are asked for whose names it told.
        package static let streamFailuresMax = 5
        /// How long labels may come and go before the stream of changes is opened anew for them.
        package static let followDelay = Duration.milliseconds(200)
        /// A stream of changes on which nothing came for so long is dead: our server gives a sign of life every 30 seconds.
        package static let streamSilence = Duration.seconds(95)
        /// Changes that the stream told and the catalog could not note, before the stream is ended, to be told them again later.
        package static let notesMax = 20_000
        /// How often in a row a server may send another picture than its stream of changes told of, before what it sends is believed.
        package static let contradictionsMax = 3
        /// Questions at once for the names of users' avatars.
        package static let asksMax = 16
        /// Bytes of one event of the stream of changes.
        package static let eventBytesMax = 16 * 1024
        /// Redirects that are followed, within the same origin.
        package static let redirectsMax = 5
    }
}
