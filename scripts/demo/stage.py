"""The temporary folders and the processes of one demonstration: nothing outlives it, however it ends."""

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

    def __init__(self, programs):
        self.programs = programs
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="avatard-demo-"))
        if len(os.fsencode(self.folder)) > SOCKET_PATH_BYTES_MAX - 40:
            # A socket under a long TMPDIR could not be bound.
            self.folder.rmdir()
            self.folder = pathlib.Path(tempfile.mkdtemp(prefix="avatard-demo-", dir="/tmp"))
        self.folder.chmod(0o700)
        self.server_root = self.folder / "server"
        self.server_root.mkdir()
        self.storage = [
            f"--storage-root={self.server_root}", f"--stores-sqlite-file={self.folder / 'server.sqlite'}"
        ]
        self.processes = []
        self.buses = []
        self.server = None
        self.port = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for bus in self.buses:
            bus.close()
        for process in reversed(self.processes):
            process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

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
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        ready, given = os.pipe()
        try:
            self.server = Process(
                "avatar-server",
                [
                    self.programs / "avatar-server", "serve", *self.storage, "--listen-host=127.0.0.1",
                    f"--listen-port={self.port}", f"--port-file={port_file}", f"--ready-fd={given}",
                ],
                self.environment(self.folder),
                self.folder / "server.log",
                pass_fds=(given,),
            )
            self.processes.append(self.server)
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

    def start_agent(self, name, uid, token_file):
        """Starts one user's agent in a home of its own, and returns once it says READY (sd_notify(3))."""
        home = self.folder / name
        (home / "run").mkdir(parents=True, mode=0o700)
        notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        notices.bind(str(home / "notify"))
        with notices:
            process = Process(
                f"{name}'s avatard",
                [
                    self.programs / "avatard", "--server-host=127.0.0.1", f"--server-port={self.port}",
                    f"--identity-uid={uid}", f"--identity-token-file={token_file}",
                ],
                self.environment(home) | {"NOTIFY_SOCKET": str(home / "notify")},
                home / "agent.log",
            )
            self.processes.append(process)
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
