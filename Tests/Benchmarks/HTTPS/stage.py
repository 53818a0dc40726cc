"""What the benchmarks of HTTPS run: avatar-server with many users, nginx, agents."""

import base64
import hashlib
import os
import pathlib
import socket
import sqlite3
import subprocess
import time

from link import Loopback
from ours import Bus, Program, make_certificate


def token(uid):
    """The token of a user of these benchmarks, whose servers live for minutes on addresses of this machine."""
    return f"token-{uid}"


def authorization(uid):
    return "Basic " + base64.b64encode(f"{uid}:{token(uid)}".encode()).decode()


def await_text(path, seconds=30):
    until = time.monotonic() + seconds
    while not (os.path.exists(path) and open(path).read().strip()):
        if time.monotonic() > until:
            raise RuntimeError(f"nothing was written to {path}")
        time.sleep(0.01)
    return open(path).read().strip()


def processor_of(pids):
    total = 0
    for pid in pids:
        fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def children(pid):
    return [int(text) for text in open(f"/proc/{pid}/task/{pid}/children").read().split()]


class Front(Program):
    """avatar-server with the users 1 to `users`, on embedded stores unless `stores` names others."""

    def __init__(self, programs, folder, users, link=Loopback(), sync="none", stores=None, flags=(), is_plain=False):
        os.makedirs(folder, exist_ok=True)
        program = os.path.join(programs, "avatar-server")
        self.root = os.path.join(folder, "files")
        if stores is None:
            database = os.path.join(folder, "db.sqlite")
            stores = ["--storage-root", self.root, "--stores-sqlite-file", database]
            subprocess.run([program, "user", "add", "--uid", "1", "--name", "1", *stores], check=True, capture_output=True)
            with sqlite3.connect(database) as connection:
                connection.executemany(
                    "INSERT OR REPLACE INTO user (uid, name, token_sha256) VALUES (?, ?, ?)",
                    ((uid, str(uid), hashlib.sha256(token(uid).encode()).digest()) for uid in range(1, users + 1)))
            connection.close()
            self.database = database
        self.certificate, key = make_certificate(folder, link)
        ports = os.path.join(folder, "http-port")
        secure = ["--http-plaintext", "true"] if is_plain else [
            "--http-tls-certificate-file", self.certificate, "--http-tls-key-file", key]
        super().__init__([
            *link.far, program, "serve", *stores, "--storage-sync", sync, "--listen-host", link.address, "--listen-port", "0",
            "--http-listen-host", link.address, "--http-listen-port", "0", "--http-port-file", ports, "--log-level", "warning",
            *secure, *flags])
        self.port = int(await_text(ports))
        self.url = f"http{'' if is_plain else 's'}://{link.address}:{self.port}"

    @property
    def memory(self):
        """KiB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def place(self, uid, name, data):
        """Puts a picture where an upload would have left it, before anybody asks for it."""
        folder = pathlib.Path(self.root, str(uid))
        folder.mkdir(parents=True, exist_ok=True)
        folder.joinpath(name).write_bytes(data)

    def put(self, pictures):
        """Uploads (uid, name, file) side by side over HTTP."""
        lines = ["silent", "show-error", "fail", "http1.1", "parallel", "parallel-max = 16", f'cacert = "{self.certificate}"']
        for number, (uid, name, file) in enumerate(pictures):
            lines += (["next"] if number else []) + [
                "silent", "show-error", "fail", "http1.1", f'cacert = "{self.certificate}"', f'user = "{uid}:{token(uid)}"', f'upload-file = "{file}"',
                f'url = "{self.url}/v1/users/{uid}/avatars/{name}"', 'output = "/dev/null"']
        run = subprocess.run(["curl", "-K", "-"], input="\n".join(lines), text=True, capture_output=True)
        if run.returncode:
            raise RuntimeError(f"curl ended with {run.returncode}: {run.stderr[-2000:]}")


class Nginx(Program):
    """nginx with what stands in its `http` block; @PORT@ is its port on the loopback."""

    def __init__(self, folder, inside):
        os.makedirs(folder, exist_ok=True)
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = listener.getsockname()[1]
        places = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(f"{folder}/nginx.conf", "w") as file:
            file.write(
                f"{'user root;' if os.geteuid() == 0 else ''} worker_processes auto; worker_rlimit_nofile 20000; daemon off;"
                f"pid {folder}/pid; error_log {folder}/error.log; events {{ worker_connections 4096; }}"
                f"http {{ {places} {inside.replace('@PORT@', str(self.port))} }}")
        # nginx takes the socket over, as from its predecessor in an upgrade.
        super().__init__(
            ["nginx", "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"], pass_fds=[listener.fileno()],
            env={**os.environ, "NGINX": f"{listener.fileno()};"})
        listener.close()

    @property
    def processor_seconds(self):
        return processor_of([self.process.pid, *children(self.process.pid)])


class Agent(Program):
    """avatard for a user of a Front, over HTTPS; returns once it is online."""

    def __init__(self, programs, folder, uid, url, certificate, link=Loopback(), sync="full"):
        os.makedirs(folder, exist_ok=True)
        self.crops = os.path.join(folder, "crops")
        self.socket = os.path.join(folder, "bus", "agent.sock")
        file = os.path.join(folder, "token")
        with open(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as text:
            text.write(token(uid))
        super().__init__([
            *link.near, os.path.join(programs, "avatard"), "--server-url", url, "--server-ca-file", certificate, "--identity-uid",
            str(uid), "--identity-token-file", file, "--cache-directory", os.path.join(folder, "cache"), "--upload-directory",
            self.crops, "--state-directory", os.path.join(folder, "state"), "--bus-socket", self.socket, "--storage-sync", sync,
            "--log-level", "error"])
        until = time.monotonic() + 30
        while Bus.connection(self.socket) != "online":
            if time.monotonic() > until:
                raise RuntimeError("avatard did not get online")
            time.sleep(0.02)
