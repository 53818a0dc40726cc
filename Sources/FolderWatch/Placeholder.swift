enum FolderWatchPlaceholder {}
