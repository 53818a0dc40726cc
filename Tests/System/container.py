"""The container's image without a container engine: its Containerfile's lines carried out in a Debian 12 folder, and then what compose.yaml says
of the server, beside a real Redis and a real MariaDB. `make test-container`

What an engine does and this does not: layers, the network between containers (here it is one network namespace, in which every service's name
is 127.0.0.1), published ports, and the entry point of MariaDB's image, of which what compose.yaml asks of it is done by hand.
"""
import ctypes
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

import yaml

import machine
import programs

CONTEXT = machine.PACKAGE / ".build/container"
PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Of this test alone; both services forget them with it.
PASSWORDS = {"REDIS_PASSWORD": "redis-of-a-test", "MARIADB_PASSWORD": "mariadb-of-a-test"}
CLONE_NEWNET = 0x40000000  # unshare(2)
UID, TOKEN = 1001, "t" * 32


def instructions(text):
    """Each instruction of a Containerfile with its arguments, lines put together and comments left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(None, 1)) for line in joined.splitlines()]


class Image:
    """A Debian folder that a Containerfile's lines were carried out in."""

    def __init__(self, context, folder):
        self.context, self.root = context, pathlib.Path(folder) / "image"
        self.variables, self.user, self.entry, self.command = {}, "root", [], []
        for instruction in instructions((context / "Containerfile").read_text()):
            match instruction:
                case "FROM", "docker.io/library/debian:bookworm-slim":
                    self.unpack()
                case "COPY", arguments:
                    self.copy(*arguments.split())
                case "RUN", command:
                    self.run(command)
                case "ENV", assignments:
                    self.variables.update(word.split("=", 1) for word in shlex.split(assignments))
                case "USER", user:
                    self.user = user
                case "VOLUME", path:
                    assert (self.root / path[1:]).is_dir(), f"{path} is not in the image"
                case "ENTRYPOINT", words:
                    self.entry = json.loads(words)
                case "CMD", words:
                    self.command = json.loads(words)
                case "EXPOSE", _:
                    pass
                case _:
                    raise AssertionError(f"this test does not know what becomes of {' '.join(instruction)}")

    def unpack(self):
        self.root.mkdir()
        packed = machine.archive("bookworm", ["ca-certificates"])
        subprocess.run(["tar", "-x", "-C", self.root, "-f", packed, "--numeric-owner"], check=True)
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        subprocess.run(["mount", "-t", "proc", "proc", self.root / "proc"], check=True)

    def close(self):
        subprocess.run(["umount", "--quiet", self.root / "proc"], check=False)

    def copy(self, pattern, target):
        found = list(self.context.glob(pattern))
        assert found, f"nothing in {self.context} is {pattern}"
        for path in found:
            shutil.copy(path, self.root / target[1:])

    def run(self, command):
        subprocess.run(
            ["chroot", self.root, "env", "-i", f"PATH={PATHS}", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", command],
            check=True, stdin=subprocess.DEVNULL, capture_output=True)

    def does(self, words, environment=()):
        """The command line that runs words in the image as its user."""
        variables = {"PATH": PATHS, **self.variables, **dict(environment)}
        return ["chroot", f"--userspec={self.user}:{self.user}", self.root, "env", "-i",
                *(f"{name}={value}" for name, value in variables.items()), *words]


class ComposeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="avatard-image-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        # MariaDB and Redis run as users of their own where they do, and have to reach their folders.
        cls.folder.chmod(0o755)
        cls.image = Image(CONTEXT, folder.name)
        cls.addClassCleanup(cls.image.close)
        text = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda match: PASSWORDS[match[1]], (CONTEXT / "compose.yaml").read_text())
        cls.services = yaml.safe_load(text)["services"]
        # From here on there is a network of this test's own, where no port is taken.
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        (cls.image.root / "etc/hosts").write_text("127.0.0.1 localhost " + " ".join(cls.services) + "\n")

    def start(self, words, **options):
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)

    def start_redis(self):
        data = self.folder / "redis"
        data.mkdir(exist_ok=True)
        self.start(self.services["redis"]["command"], cwd=data)
        self.redis("PING")

    def redis(self, *words):
        ask = ["redis-cli", "-h", "127.0.0.1", *words]
        environment = {**os.environ, **self.services["redis"]["environment"]}

        def answer():
            return subprocess.run(ask, capture_output=True, text=True, env=environment)
        machine.Machine.until(lambda: answer().returncode == 0 and "LOADING" not in answer().stdout, "Redis answers")
        return answer().stdout.strip()

    def start_mariadb(self):
        """What MariaDB's image does with these variables and with the files in docker-entrypoint-initdb.d."""
        asked = self.services["mariadb"]["environment"]
        data, socket = self.folder / "mariadb", self.folder / "mariadb.sock"
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--auth-root-authentication-method=normal"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.start(["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={socket}", "--bind-address=127.0.0.1"])
        self.socket = socket
        machine.Machine.until(
            lambda: subprocess.run(["mariadb", "--no-defaults", f"--socket={socket}", "--user=root", "--execute=SELECT 1"], capture_output=True).returncode == 0,
            "MariaDB answers", seconds=60)
        schema = asked["MARIADB_DATABASE"]
        self.sql(f"CREATE DATABASE {schema}; CREATE USER '{asked['MARIADB_USER']}'@'%' IDENTIFIED BY '{asked['MARIADB_PASSWORD']}';"
                 f"GRANT ALL ON {schema}.* TO '{asked['MARIADB_USER']}'@'%'; DROP USER IF EXISTS ''@'localhost', ''@'{os.uname().nodename}';")
        for mount in self.services["mariadb"]["volumes"]:
            source, target = mount.split(":")[:2]
            if target.startswith("/docker-entrypoint-initdb.d/"):
                self.sql((CONTEXT / source).read_text(), schema)

    def sql(self, text, schema=""):
        return subprocess.run(
            ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root", "--batch", "--skip-column-names", *([schema] if schema else [])],
            check=True, input=text, capture_output=True, text=True).stdout.strip()

    def avatarctl(self, *words, stdin=None):
        program = machine.PACKAGE / ".build/static/release/avatarctl"
        return subprocess.run([program, *words], check=True, capture_output=True, text=True, env=self.agent_variables, input=stdin)

    def start_agent(self):
        home = self.folder / "home"
        home.mkdir(mode=0o700, exist_ok=True)
        self.agent_variables = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "PATH": PATHS}
        self.start([machine.PACKAGE / ".build/static/release/avatard"], env=self.agent_variables)
        machine.Machine.until((home / "avatard/agent.sock").exists, "the agent listens")

    def test_image_and_compose_file_make_a_server_that_takes_an_avatar(self):
        service = self.services["avatar-server"]
        self.assertEqual(service["build"], ".")
        self.assertEqual(self.image.user, "avatar-server")
        # It waits for both by condition, so nothing has to be tried again.
        self.start_redis()
        self.start_mariadb()
        self.sql(f"INSERT INTO user (uid, name) VALUES ({UID}, 'ada')", "llfc")
        self.redis("SET", f"utoken_{UID}", TOKEN)
        server = self.start(self.image.does(self.image.entry + self.image.command, service["environment"].items()))
        for line in server.stdout:
            if "listening" in line:
                break
        self.assertIsNone(server.poll(), "the server has ended")
        self.assertIn("address=0.0.0.0", line)
        self.assertIn("port=9090", line)
        health = service["healthcheck"]["test"]
        self.assertEqual(health[0], "CMD")
        checked = subprocess.run(self.image.does(health[1:], service["environment"].items()), capture_output=True, text=True)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.start_agent()
        self.avatarctl("login", "--host", "127.0.0.1:9090", "--uid", str(UID), stdin=TOKEN + "\n")
        picture = self.folder / "mine.png"
        picture.write_bytes(programs.RED)
        self.avatarctl("upload", str(picture))
        icon = self.sql(f"SELECT icon FROM user WHERE uid = {UID}", "llfc")
        self.assertEqual((self.image.root / f"var/lib/avatar-server/files/{UID}" / icon).read_bytes(), programs.RED)
        server.terminate()
        self.assertEqual(server.wait(10), 0)
