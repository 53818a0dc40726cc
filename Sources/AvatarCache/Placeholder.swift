enum AvatarCachePlaceholder {}
