package import AvatarCore

/// What the disk thread is to do, in order. Every command ends in a result of its own or in ``DiskResult/failed(_:_:)``.
package enum DiskCommand: Hashable, Sendable {
    /// Bring an earlier run to its end, and say what to start from.
    case start
    /// From here on crops, parts and refusals are those of the account that the driver named last, or of nobody.
    case openAccount
    /// Everything that the catalog knows of these names; `touch` where a label or a person wants the pictures now.
    case lookUp([AvatarName], touch: Bool)
    /// These pictures were wanted until now: eviction takes them last.
    case touch([AvatarName])
    case beginPart(AvatarName, PartPlan)
    case append(AvatarName, offset: Int64, bytes: [UInt8])
    case discardPart(AvatarName)
    /// Remove parts that are too old to go on from, except these.
    case trimParts(keep: [AvatarName])
    /// Make pictures of these parts, in the six steps of ``CommitMachine``.
    case commit([CommitMachine.Item])
    /// A name of the upload folder has appeared: is there something that nobody will close?
    case look(AvatarName)
    /// Which files of the upload folder were refused, and might be taken now?
    case findRefused
    /// What do the folders and the catalog differ in? For a person; nothing is read or changed.
    case check(StreamID)
    /// Look at a file of the upload folder.
    case examine(AvatarName)
    /// What ``CropRule`` says of the file that `examined` has found settled.
    case judge(AvatarName, CropRule.Verdict)
    /// In a shared folder: give a row to a complete picture that another program has placed.
    case adopt(AvatarName)
    /// The bytes of a crop, if it is still the file that was examined.
    case readCrop(CropID, range: Range<Int64>)
    /// Copy an uploaded crop into a part.
    case stageCrop(CropID)
    /// The server has these crops, in the order in which it took them: a durable note of all or of none, and the last one is the user's icon.
    case finishCrops([CropID])
    /// The server holds this picture as the icon of the account, and another program has put it there.
    case noteIcon(AvatarName, account: String)
    /// The crop left the queue before it was sent, or stays out of the cache: its file may be closed.
    case forgetCrop(CropID)
    /// The server keeps what it has of the crop at this place, for a later run to go on there.
    case keepLocation(CropID, ExactString)
    /// The crop is not to be sent, for this reason.
    case setCropAside(CropID, reason: String)
    /// A person is told that this file of the upload folder is not uploaded: an event of the log of changes, unless the log has it.
    case logRefusal(AvatarName, reason: String)
    /// The server was asked again for the picture that is there, and has no other.
    case noteChecked(AvatarName)
    /// What the server's stream of changes has told, all of it or nothing.
    case noteChanges(ChangeNotes)
    /// The refusal was learned so often in a row.
    case setNegative(AvatarName, AbsenceReason, attempts: Int)
    case clearNegatives([AvatarName])
    /// Is the cache's file of that name still what the catalog says?
    case inspect(AvatarName)
    /// Compare the whole folder with the catalog.
    case rescan(WatchedFolder)
    /// Read a page of recorded files again, and compare their digests.
    case audit(after: AvatarName?)
    /// Bring the cache under its bound; these pictures stay.
    case evict(keep: [AvatarName])
    /// Take a picture out of the cache on a person's behalf.
    case forget(StreamID, AvatarName)
    /// A person does not want to hear of this file of the upload folder any more.
    case dismiss(StreamID, AvatarName)
    /// Copy a file into the upload folder on a person's behalf.
    case importCrop(StreamID, path: String)
    case readEvents(StreamID, since: Int64?, epoch: String?)
    case list(StreamID, state: AvatarView.State?, after: AvatarName?, limit: Int)
    /// Does the disk take writes again?
    case probe
    /// Where do the paths lead of which something is held?
    case comparePaths
    /// Make the state folder, its lock and the catalog anew where they are gone, from what is held of them.
    case restoreState
}
