"""The temporary folders and the processes of one demonstration: nothing outlives it, however it ends."""

import contextlib
import ctypes
import os
import pathlib
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile

from bus import PATIENCE_SECONDS, Bus, DemoFailure

# sockaddr_un(7): the path of a Unix socket has at most 107 bytes.
SOCKET_PATH_BYTES_MAX = 107
PR_SET_PDEATHSIG = 1


def _die_with_parent():
    """Should the demonstration itself be killed, its processes go with it (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Interrupted(BaseException):
    """A person or the system wants the demonstration to end."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.number = number


class Signals:
    """Turns SIGINT, SIGTERM and SIGHUP into `Interrupted`, though never while something is half done."""

    def __init__(self):
        self.held = 0
        self.pending = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._arrived)

    def _arrived(self, number, _):
        self.pending = number
        if self.held == 0:
            raise Interrupted(number)

    @contextlib.contextmanager
    def hold(self):
        """Inside of it nothing is interrupted; what arrived meanwhile is raised at its end."""
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1
        if self.held == 0 and self.pending is not None:
            raise Interrupted(self.pending)

    def ignore(self):
        """From here on everything is put in order, and that takes no time worth interrupting."""
        self.held += 1


class Process:
    """A program that was started here, and is ended here by its process id."""

    def __init__(self, name, arguments, environment, log, pass_fds=()):
        self.name = name
        self.log = log
        with open(log, "ab") as output:
            self.child = subprocess.Popen(
                arguments,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=pass_fds,
                # Ctrl-C is for the demonstration, which then ends its processes in order.
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    @property
    def pid(self):
        return self.child.pid

    def wait_readable(self, ready, waiting_for):
        """Returns when `ready` (a descriptor or a socket) can be read; fails when the process ends first."""
        pid_descriptor = os.pidfd_open(self.pid)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(ready, selectors.EVENT_READ)
                selector.register(pid_descriptor, selectors.EVENT_READ)
                events = [key.fileobj for key, _ in selector.select(PATIENCE_SECONDS)]
        finally:
            os.close(pid_descriptor)
        if ready in events:
            return
        why = "it ended" if events else f"nothing came for {PATIENCE_SECONDS} s"
        raise DemoFailure(f"{self.name}: waited for {waiting_for}, but {why}. Its last words:\n{self.last_words()}")

    def last_words(self):
        return "\n".join("    " + line for line in self.log.read_text(errors="replace").splitlines()[-12:])

    def kill(self):
        """SIGKILL: the process has no chance to put anything in order."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def stop(self):
        """SIGTERM; returns the exit status."""
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.child.returncode


class Stage:
    """Everything that a demonstration puts up: folders, one server, some agents."""

    def __init__(self, programs, signals):
        for name in ("avatard", "avatar-server"):
            if not os.access(programs / name, os.X_OK):
                raise DemoFailure(f"{programs / name} is not there; build it first: make run")
        self.programs = programs
        self.signals = signals
        self.processes = []
        self.buses = []
        self.server = None
        self.port = 0
        self.http_port = 0
        self.folder = None

    def set_up(self):
        """Makes the folders; `take_down` takes them away again."""
        with self.signals.hold():
            self.folder = self._make_folder()
        self.server_root = self.folder / "server"
        self.server_root.mkdir()
        self.certificate, self.key = self.folder / "cert.pem", self.folder / "key.pem"
        self.make_certificate()
        self.storage = [
            f"--storage-root={self.server_root}", f"--stores-sqlite-file={self.folder / 'server.sqlite'}"
        ]

    def make_certificate(self):
        """A certificate for this machine that nobody has signed but itself, as docs/http.md says."""
        made = subprocess.run(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-days", "2", "-keyout", self.key, "-out", self.certificate, "-subj", "/CN=localhost", "-addext",
                "subjectAltName=DNS:localhost",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        if made.returncode != 0:
            raise DemoFailure(f"openssl ended with {made.returncode}: {made.stderr.strip()}")

    def take_down(self):
        """Hangs up, ends every process that still runs, and removes the folders."""
        self.signals.ignore()
        for bus in self.buses:
            bus.close()
        for process in reversed(self.processes):
            process.stop()
        if self.folder is not None:
            shutil.rmtree(self.folder)

    @staticmethod
    def _make_folder():
        folder = pathlib.Path(tempfile.mkdtemp(prefix="avatard-demo-"))
        if len(os.fsencode(folder)) <= SOCKET_PATH_BYTES_MAX - 40:
            return folder
        # A socket under a long TMPDIR could not be bound.
        folder.rmdir()
        return pathlib.Path(tempfile.mkdtemp(prefix="avatard-demo-", dir="/tmp"))

    def start(self, *arguments, **options):
        """Starts a program that will be ended at the end; an interruption does not come between."""
        with self.signals.hold():
            process = Process(*arguments, **options)
            self.processes.append(process)
        return process

    def environment(self, home):
        """Nothing of the person's own: neither their folders nor their settings for these programs."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AVATARD_", "AVATAR_SERVER_", "XDG_", "LISTEN_", "NOTIFY_", "CREDENTIALS_"))
        }
        return kept | {"HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run")}

    def run_to_end(self, program, *arguments):
        """Runs a program that ends by itself, and fails when it says that it failed."""
        result = subprocess.run(
            [self.programs / program, *arguments],
            env=self.environment(self.folder),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        if result.returncode != 0:
            raise DemoFailure(f"{program} {arguments[0]} ended with {result.returncode}: {result.stderr.strip()}")
        return result.stdout

    def add_user(self, uid, name):
        """Makes a user of the embedded stores; the token goes from file to file and is never shown."""
        token = self.run_to_end("avatar-server", "user", "add", f"--uid={uid}", f"--name={name}", *self.storage)
        file = self.folder / f"token-{uid}"
        file.touch(mode=0o600)
        file.write_text(token)
        return file

    def start_server(self):
        """Starts the server and returns once it listens; a second start takes the same port again."""
        port_file, http_port_file = self.folder / "port", self.folder / "http-port"
        for file in (port_file, http_port_file):
            file.unlink(missing_ok=True)
        ready, given = os.pipe()
        try:
            self.server = self.start(
                "avatar-server",
                [
                    self.programs / "avatar-server", "serve", *self.storage, "--listen-host=127.0.0.1",
                    f"--listen-port={self.port}", f"--port-file={port_file}", f"--ready-fd={given}",
                    "--http-listen-host=127.0.0.1", f"--http-listen-port={self.http_port}",
                    f"--http-port-file={http_port_file}", f"--http-tls-certificate-file={self.certificate}",
                    f"--http-tls-key-file={self.key}",
                ],
                self.environment(self.folder),
                self.folder / "server.log",
                pass_fds=(given,),
            )
            os.close(given)
            given = None
            self.server.wait_readable(ready, "its listening socket")
            if not os.read(ready, 64).startswith(b"READY=1"):
                raise DemoFailure(f"avatar-server did not come up. Its last words:\n{self.server.last_words()}")
        finally:
            os.close(ready)
            if given is not None:
                os.close(given)
        self.port = int(port_file.read_text())
        self.http_port = int(http_port_file.read_text())

    def start_agent(self, name, uid, token_file, is_secure=False):
        """Starts one user's agent in a home of its own, and returns once it says READY (sd_notify(3)).

        `is_secure` for HTTPS, otherwise it speaks the classic dialect.
        """
        classic = ["--server-host=127.0.0.1", f"--server-port={self.port}"]
        secure = [f"--server-url=https://localhost:{self.http_port}", f"--server-ca-file={self.certificate}"]
        home = self.folder / name
        (home / "run").mkdir(parents=True, mode=0o700)
        notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        notices.bind(str(home / "notify"))
        with notices:
            process = self.start(
                f"{name}'s avatard",
                [
                    self.programs / "avatard", *(secure if is_secure else classic),
                    f"--identity-uid={uid}", f"--identity-token-file={token_file}",
                ],
                self.environment(home) | {"NOTIFY_SOCKET": str(home / "notify")},
                home / "agent.log",
            )
            process.wait_readable(notices, "its READY")
        return Agent(name, home, process, self)


class Agent:
    """One user's running agent: its folders and its bus."""

    def __init__(self, name, home, process, stage):
        self.name = name
        self.process = process
        self.cache = home / ".local/share/avatard/avatars"
        self.crops = home / ".local/share/avatard/crops"
        self.bus = Bus(home / "run/avatard/agent.sock")
        stage.buses.append(self.bus)
