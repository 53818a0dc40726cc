"""A Debian 12 with a systemd of its own, for tests: a root folder, booted in a container without a network, with one user.

Needs root, a mounted cgroup2 hierarchy, and `scripts/setup.sh systemd`. The container is told to register nowhere, so that it runs below
systemd as well as below any other first process. Everything that it makes on its host (processes, control groups, folders) goes with it.
"""
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid

PACKAGE = pathlib.Path(__file__).resolve().parents[2]
CACHE = PACKAGE / ".build/machine"

# What the installed programs need beside a Debian with systemd: nothing of Swift.
LIBRARIES = ["libinotifytools0", "libssl3", "libsqlite3-0", "libhiredis0.14", "libmariadb3", "libstdc++6"]
SYSTEM = ["systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd", "libnss-systemd", "procps", "login", "util-linux"]

USER = "ada"
HOME = f"/home/{USER}"
PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


# A test that is told to end still takes its machines down.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


class CommandFailed(AssertionError):
    """A command inside ended with another status than it should have."""


def archive(name, packages):
    """The path of a Debian with these packages, packed; made once and kept with the build."""
    path = CACHE / f"{name}.tar"
    wanted = " ".join(sorted(packages))
    note = path.with_suffix(".packages")
    if not path.exists() or not note.exists() or note.read_text() != wanted:
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new.tar")
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", "--include=" + ",".join(packages), "bookworm", str(fresh)],
            check=True)
        fresh.rename(path)
        note.write_text(wanted)
    return path


def prepared(packed, folder, *steps):
    """Unpacks a Debian into the folder, gives it its user, and takes the steps, each of which is called with the root's path. Returns that
    path. Machines begin with it and leave it as it is."""
    root = pathlib.Path(folder) / "root"
    root.mkdir()
    subprocess.run(["tar", "-x", "-C", root, "-f", packed, "--numeric-owner"], check=True)
    subprocess.run(["chroot", root, "useradd", "-m", "-u", "1000", "-s", "/bin/bash", USER], check=True)
    # A user manager from boot on, as for somebody who is logged in.
    linger = root / "var/lib/systemd/linger"
    linger.mkdir(parents=True, exist_ok=True)
    (linger / USER).touch()
    (root / "var/log/journal").mkdir(parents=True, exist_ok=True)
    for step in steps:
        step(root)
    return root


class Machine:
    """One Debian, from a root that was ``prepared`` to its end: `with Machine(...) as box`."""

    def __init__(self, lower):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="avatard-machine-"))
        # A machine's name is a host's: no underscores.
        self.name = "avatard-" + uuid.uuid4().hex[:12]
        self.root = self.folder / "root"
        self.console = self.folder / "console"
        self.container = None
        self.group = None
        try:
            for layer in ["upper", "work", "root"]:
                (self.folder / layer).mkdir()
            layers = f"lowerdir={lower},upperdir={self.folder}/upper,workdir={self.folder}/work"
            subprocess.run(["mount", "-t", "overlay", "-o", layers, "overlay", self.root], check=True)
            self.boot()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Boot and end

    def boot(self):
        unified = subprocess.run(
            ["findmnt", "-n", "-t", "cgroup2", "-o", "TARGET"], check=True, capture_output=True, text=True).stdout.split()
        self.group = pathlib.Path(unified[0]) / self.name
        self.group.mkdir()

        def enter():
            (self.group / "cgroup.procs").write_text(str(os.getpid()))

        with open(self.console, "ab") as console:
            self.container = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", f"--machine={self.name}",
                 f"--directory={self.root}", "--private-network", "--console=pipe", "--boot"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=enter,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "UNIFIED_CGROUP_HIERARCHY": "1"})
        self.until_up()

    def first_process(self):
        """The pid, on the host, of the container's first process; None while there is none."""
        if self.container.poll() is not None:
            raise CommandFailed(
                f"the machine has ended with {self.container.returncode}:\n" + self.console.read_text(errors="replace"))
        children = pathlib.Path(f"/proc/{self.container.pid}/task/{self.container.pid}/children").read_text().split()
        return children[0] if children else None

    def until_up(self):
        """Waits for the user's manager, at most 30 s."""
        self.until(
            lambda: self.first_process() and self.root_does("systemctl", "is-active", "user@1000", check=False).stdout == "active\n",
            "the user's manager is up", seconds=30)

    def reboot(self):
        """Restarts the container's systemd, and with it everything inside."""
        self.root_does("systemctl", "reboot", check=False)
        # That it is to be booted again is what systemd-nspawn says by this status, where another unit keeps it (--keep-unit).
        status = self.container.wait(40)
        assert status == 133, f"the machine ended with {status} at a reboot:\n" + self.console.read_text(errors="replace")
        self.remove_groups()
        self.boot()

    def close(self):
        if self.container is not None:
            if self.container.poll() is None:
                # The first one asks systemd inside to power off; what does not, is killed with its first process.
                self.container.terminate()
                try:
                    self.container.wait(20)
                except subprocess.TimeoutExpired:
                    self.container.kill()
                    self.container.wait()
        self.remove_groups()
        if self.root.is_mount():
            subprocess.run(["umount", self.root], check=True)
        shutil.rmtree(self.folder)

    def remove_groups(self):
        """Removes the control groups that the container leaves behind. One whose last process has just died is busy for a moment."""
        if self.group is None or not self.group.exists():
            return
        for folder, _, _ in os.walk(self.group, topdown=False):
            self.until(lambda: self.is_removed(folder), f"the control group {folder} is empty")

    @staticmethod
    def is_removed(folder):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            pass
        except OSError:
            return False
        return True

    # Commands

    def _run(self, arguments, check, stdin):
        first = self.first_process()
        assert first, "the machine does not run:\n" + self.console.read_text(errors="replace")
        result = subprocess.run(
            ["nsenter", "-t", first, "-a", *arguments], capture_output=True, text=True, timeout=60, input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL)
        if check and result.returncode != 0:
            raise CommandFailed(f"{' '.join(arguments)} ended with {result.returncode}\n{result.stdout}{result.stderr}")
        return result

    def root_does(self, *command, check=True, stdin=None):
        """Runs a command as root; the result has stdout, stderr and returncode."""
        return self._run(["env", "-i", f"PATH={PATHS}", "LANG=C.UTF-8", "TERM=dumb", "DEBIAN_FRONTEND=noninteractive", *command], check, stdin)

    def user_does(self, *command, check=True, stdin=None):
        """Runs a command as the user, in their session."""
        return self._run(
            ["setpriv", "--reuid", USER, "--regid", USER, "--init-groups", "env", "-i", f"HOME={HOME}", f"USER={USER}", "LANG=C.UTF-8",
             "TERM=dumb", "XDG_RUNTIME_DIR=/run/user/1000", "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus",
             f"PATH={HOME}/.local/bin:{PATHS}", "sh", "-c", 'cd && exec "$@"', "sh", *command], check, stdin)

    def unit(self, name, key, user=True):
        """One property of a unit."""
        does = self.user_does if user else self.root_does
        return does("systemctl", *(["--user"] if user else []), "show", "--value", "-p", key, name).stdout.strip()

    def held_threads(self, pid, prefix):
        """Holds the threads of a process inside whose names begin so, until the context ends: they get no processor, the others do."""
        wanted = f"\t{pid}\n"
        inside = self.first_process()
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            try:
                line = next((line for line in status.read_text().splitlines(keepends=True) if line.startswith("NSpid:")), "")
                if line.endswith(wanted) and line.count("\t") > 1 and self.has_namespace_of(status.parent, inside):
                    return HeldThreads(status.parent, prefix)
            except OSError:
                continue  # It has ended meanwhile.
        raise CommandFailed(f"there is no process {pid} inside")

    @staticmethod
    def has_namespace_of(process, first):
        return os.readlink(process / "ns/pid") == os.readlink(f"/proc/{first}/ns/pid")

    @staticmethod
    def until(holds, what, seconds=15):
        """Waits until something holds in there, where nothing on this side of the wall tells."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                raise CommandFailed(f"not within {seconds} s: {what}")
            time.sleep(0.1)


class HeldThreads:
    """Threads that are stopped one by one (ptrace(2)): a signal would stop their whole process."""

    SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
    ALL = 0x40000000  # __WALL of waitpid(2): threads too.

    def __init__(self, process, prefix):
        self.call = ctypes.CDLL(None, use_errno=True).ptrace
        self.call.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self.threads = [
            int(task.name) for task in (process / "task").iterdir() if (task / "comm").read_text().startswith(prefix)]
        assert self.threads, f"no thread of {process} is called {prefix}"

    def __enter__(self):
        for thread in self.threads:
            for request in [self.SEIZE, self.INTERRUPT]:
                if self.call(request, thread, None, None) != 0:
                    raise OSError(ctypes.get_errno(), f"ptrace of the thread {thread}")
            os.waitpid(thread, self.ALL)
        return self

    def __exit__(self, *_):
        for thread in self.threads:
            if self.call(self.DETACH, thread, None, None) != 0:
                # It was killed meanwhile, and its process ends when its end is taken.
                os.waitpid(thread, self.ALL)


def install(root, prefix="/usr/local", units=None):
    """`make install` into the root. Units: the folder of the user's units, where it is not prefix/lib/systemd/user."""
    arguments = [f"DESTDIR={root}", f"PREFIX={prefix}"] + ([f"UNITS={root}{units}"] if units else [])
    subprocess.run(["make", "--silent", "-C", PACKAGE, "install", *arguments], check=True, stdout=subprocess.DEVNULL)


def uninstall(root, prefix="/usr/local", units=None):
    arguments = [f"DESTDIR={root}", f"PREFIX={prefix}"] + ([f"UNITS={root}{units}"] if units else [])
    subprocess.run(["make", "--silent", "-C", PACKAGE, "uninstall", *arguments], check=True, stdout=subprocess.DEVNULL)
