"""What the tests in the machine have in common: the programs installed, a server with one user, and a picture."""
import base64
import json
import subprocess

import machine

UNITS_AT_HOME = machine.HOME + "/.local/share/systemd/user"

# Two pictures of one pixel each, red and blue.
RED = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC")
BLUE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNgYPgPAAEDAQAIicLsAAAAAElFTkSuQmCC")


def install_at_home(root):
    """The agent for the machine's user, as `make install` does it by default."""
    machine.install(root, machine.HOME + "/.local", UNITS_AT_HOME)
    give_home(root)


def uninstall_at_home(root):
    machine.uninstall(root, machine.HOME + "/.local", UNITS_AT_HOME)


def install_for_everybody(root):
    machine.install(root, "/usr/local")


def give_home(root):
    subprocess.run(["chroot", root, "chown", "-R", f"{machine.USER}:{machine.USER}", machine.HOME], check=True)


def start_server(box):
    """The system's server, as the last lines of `make install` say; then a user in it. Returns the user's token."""
    box.root_does("systemd-sysusers")
    box.root_does("systemd-tmpfiles", "--create", "avatar-server.conf")
    box.root_does("systemctl", "enable", "--now", "avatar-server")
    return add_user(box)


def add_user(box, uid=1001):
    return box.root_does(
        "runuser", "-u", "avatar-server", "--", "avatar-server", "user", "add", "--uid", str(uid), "--name", machine.USER).stdout.strip()


def log_in(box, token, uid=1001):
    return box.user_does("avatarctl", "login", "--host", "127.0.0.1:9090", "--uid", str(uid), stdin=token + "\n")


def status(box):
    return json.loads(box.user_does("avatarctl", "status", "--json").stdout)


def drop(box, name, picture, folder=".local/share/avatard/crops"):
    """Puts a picture into a folder below the user's home as a chat client does: written, then closed."""
    box.user_does("sh", "-c", f"base64 -d >{folder}/{name}", stdin=base64.b64encode(picture).decode())


def put_on_server(box, uid, name, picture):
    """Puts a picture among a user's files on the server."""
    folder = f"/var/lib/avatar-server/files/{uid}"
    box.root_does(
        "runuser", "-u", "avatar-server", "--", "sh", "-c", f"mkdir -p {folder} && base64 -d >{folder}/{name}",
        stdin=base64.b64encode(picture).decode())


def on_server(box, uid, name):
    """Whether the user's picture lies on the server."""
    return box.root_does("test", "-f", f"/var/lib/avatar-server/files/{uid}/{name}", check=False).returncode == 0
