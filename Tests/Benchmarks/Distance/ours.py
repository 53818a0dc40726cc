"""avatar-server and avatard, as they are installed, and the agent's bus."""

import json
import os
import signal
import socket
import subprocess
import time

UID = 1001


class Program:
    """A program that runs until it is stopped; it is always stopped by its own process id."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)

    @property
    def processor_seconds(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def await_listener(near, address, port):
    """Waits until somebody listens there. The first connection of a link also fills the kernel's caches of routes."""
    check = f"import socket; socket.create_connection(('{address}', {port}), 5).close()"
    until = time.monotonic() + 20
    while subprocess.run([*near, "python3", "-c", check], stderr=subprocess.DEVNULL).returncode != 0:
        if time.monotonic() > until:
            raise RuntimeError(f"nobody listens on {address}:{port}")
        time.sleep(0.05)


def make_certificate(folder, link):
    """A certificate for the far end of the link, and its key; the two paths."""
    certificate, key = os.path.join(folder, "certificate.pem"), os.path.join(folder, "key.pem")
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2", "-subj", "/CN=bench", "-addext", f"subjectAltName=IP:{link.address}", "-keyout", key, "-out", certificate,
        ],
        check=True, stderr=subprocess.DEVNULL,
    )
    return certificate, key


class Server(Program):
    def __init__(self, programs, folder, link, sync, chunk_bytes):
        self.root = os.path.join(folder, "files")
        stores = ["--storage-root", self.root, "--stores-sqlite-file", os.path.join(folder, "db.sqlite")]
        program = os.path.join(programs, "avatar-server")
        added = subprocess.run(
            [program, "user", "add", "--uid", str(UID), "--name", "bench", *stores],
            check=True, capture_output=True, text=True,
        )
        self.token = added.stdout.strip()
        self.folder = os.path.join(self.root, str(UID))
        os.makedirs(self.folder, exist_ok=True)
        port_file, http_port_file = os.path.join(folder, "port"), os.path.join(folder, "http-port")
        self.certificate, key = make_certificate(folder, link)
        super().__init__(
            [
                *link.far, program, "serve", *stores, "--storage-sync", sync, "--listen-host", link.address,
                "--listen-port", "0", "--port-file", port_file, "--classic-chunk-bytes", str(chunk_bytes),
                "--http-listen-host", link.address, "--http-listen-port", "0", "--http-port-file", http_port_file,
                "--http-tls-certificate-file", self.certificate, "--http-tls-key-file", key, "--log-level", "warning",
            ]
        )
        until = time.monotonic() + 20
        while not os.path.exists(port_file) or not open(port_file).read().strip():
            if time.monotonic() > until:
                raise RuntimeError("avatar-server did not start")
            time.sleep(0.01)
        self.port = int(open(port_file).read())
        self.http_port = int(open(http_port_file).read())


class Agent(Program):
    """An agent near, which speaks the classic dialect, or HTTPS."""

    def __init__(self, programs, folder, link, server, sync, is_secure):
        self.programs = programs
        self.crops = os.path.join(folder, "crops")
        self.cache = os.path.join(folder, "cache")
        self.socket = os.path.join(folder, "bus", "agent.sock")
        os.makedirs(folder, exist_ok=True)
        token = os.path.join(folder, "token")
        with open(os.open(token, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(server.token)
        classic = ["--server-host", link.address, "--server-port", str(server.port)]
        secure = ["--server-url", f"https://{link.address}:{server.http_port}", "--server-ca-file", server.certificate]
        super().__init__(
            [
                *link.near, os.path.join(programs, "avatard"), *(secure if is_secure else classic), "--identity-uid", str(UID), "--identity-token-file", token, "--cache-directory",
                self.cache, "--upload-directory", self.crops, "--state-directory", os.path.join(folder, "state"),
                "--bus-socket", self.socket, "--storage-sync", sync, "--log-level", "warning",
            ]
        )
        until = time.monotonic() + 20
        while Bus.connection(self.socket) != "online":
            if time.monotonic() > until:
                raise RuntimeError("avatard did not get online")
            time.sleep(0.02)


class Bus:
    """One connection to the agent's bus (docs/label-bus.md)."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.buffer = b""

    @staticmethod
    def connection(path):
        try:
            bus = Bus(path)
        except OSError:
            return None
        return bus.call("Status")["connection"]

    def send(self, method, parameters=None, more=False):
        message = {"method": "org.avatard.Agent." + method, "parameters": parameters or {}}
        if more:
            message["more"] = True
        self.socket.sendall(json.dumps(message).encode() + b"\0")

    def reply(self, seconds=180):
        self.socket.settimeout(seconds)
        while b"\0" not in self.buffer:
            data = self.socket.recv(1 << 20)
            if not data:
                raise RuntimeError("the agent hung up")
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b"\0")
        message = json.loads(message)
        if "error" in message:
            raise RuntimeError(str(message))
        return message

    def call(self, method, parameters=None):
        self.send(method, parameters)
        return self.reply()["parameters"]

    def close(self):
        self.socket.close()


def fetch(agent, names, seconds):
    """Fetches the names as one call; the seconds until the last of them is there."""
    bus = Bus(agent.socket)
    begun = time.monotonic()
    bus.send("Fetch", {"names": names}, more=True)
    ready = set()
    while len(ready) < len(names):
        avatar = bus.reply(seconds).get("parameters", {}).get("avatar")
        if avatar and avatar["state"] == "ready":
            ready.add(avatar["name"])
        elif avatar and avatar["state"] in ("absent", "failed"):
            raise RuntimeError(f"{avatar}")
    took = time.monotonic() - begun
    bus.close()
    return took


def upload(agent, folder, names, seconds):
    """Moves the pictures into the agent's folder of crops; the seconds until the server has acknowledged the last of them."""
    bus = Bus(agent.socket)
    bus.send("Watch", more=True)
    bus.reply()
    begun = time.monotonic()
    for name in names:
        os.rename(os.path.join(folder, name), os.path.join(agent.crops, name))
    missing = set(names)
    while missing:
        left = seconds - (time.monotonic() - begun)
        if left <= 0:
            raise TimeoutError
        for change in bus.reply(left)["parameters"].get("changes", []):
            if change["kind"] == "uploaded":
                missing.discard(change["avatar"]["name"])
    took = time.monotonic() - begun
    bus.close()
    return took
