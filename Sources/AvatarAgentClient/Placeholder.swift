enum AvatarAgentClientPlaceholder {}
