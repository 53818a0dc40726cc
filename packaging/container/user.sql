-- The chat system's table of users, as far as avatar-server reads it; icon is the one column that it writes.
CREATE TABLE IF NOT EXISTS user (
    id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    uid INT NOT NULL DEFAULT 0,
    name VARCHAR(255) NOT NULL DEFAULT '',
    email VARCHAR(255) NOT NULL DEFAULT '',
    pwd VARCHAR(255) NOT NULL DEFAULT '',
    nick VARCHAR(255) NOT NULL DEFAULT '',
    `desc` VARCHAR(255) NOT NULL DEFAULT '',
    sex INT NOT NULL DEFAULT 0,
    icon VARCHAR(255) NOT NULL DEFAULT '',
    UNIQUE KEY (uid),
    UNIQUE KEY (email)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
