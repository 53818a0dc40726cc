"""The Debian packages: installed, upgraded, removed and purged in a Debian 12 with a systemd of its own. `make test-deb`"""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import machine
import programs

BUILT = machine.PACKAGE / ".build/deb"
NAMES = ["avatard", "avatar-server"]
CONFIGURATION = "/etc/avatar-server/avatar-server.yaml"


def package(name):
    """The path of the package that `make deb` built."""
    found = list(BUILT.glob(f"{name}_*.deb"))
    assert len(found) == 1, f"make deb builds one {name}; there are {found}"
    return found[0]


def field(path, name):
    return subprocess.run(["dpkg-deb", "--field", path, name], check=True, capture_output=True, text=True).stdout.strip()


def put_packages(root):
    """The built packages in /packages/new, and in /packages/old the same ones with a lower version and another sample configuration."""
    for name in NAMES:
        new, old = root / "packages/new", root / "packages/old"
        new.mkdir(parents=True, exist_ok=True)
        old.mkdir(parents=True, exist_ok=True)
        shutil.copy(package(name), new / f"{name}.deb")
        with tempfile.TemporaryDirectory() as folder:
            tree = pathlib.Path(folder) / "tree"
            subprocess.run(["dpkg-deb", "--raw-extract", package(name), tree], check=True)
            control = tree / "DEBIAN/control"
            control.write_text(control.read_text().replace(f"Version: {field(package(name), 'Version')}", "Version: 0.0.1"))
            sample = tree / CONFIGURATION[1:]
            if sample.exists():
                sample.write_text("# Of an earlier version.\n" + sample.read_text())
            subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, old / f"{name}.deb"],
                           check=True, stdout=subprocess.DEVNULL)


def setUpModule():
    global prepared
    folder = tempfile.TemporaryDirectory(prefix="avatard-packages-")
    unittest.addModuleCleanup(folder.cleanup)
    debian = machine.archive("debian", machine.SYSTEM + machine.LIBRARIES)
    prepared = machine.prepared(debian, folder.name, put_packages)


class Built(unittest.TestCase):
    """The packages as files."""

    def test_they_have_the_version_that_the_programs_tell(self):
        told = subprocess.run(
            [machine.PACKAGE / ".build/static/release/avatard", "--version"], check=True, capture_output=True, text=True).stdout.strip()
        self.assertEqual([field(package(name), "Version") for name in NAMES], [told, told])

    def test_they_need_the_libraries_that_they_link_and_nothing_of_swift(self):
        agent, server = (field(package(name), "Depends") for name in NAMES)
        self.assertIn("libinotifytools0", agent)
        for library in ["libhiredis0.14", "libmariadb3", "libssl3", "libsqlite3-0"]:
            self.assertIn(library, server)
        # The license of libinotifytools is the agent's alone (debian/copyright).
        self.assertNotIn("libinotifytools0", server)
        self.assertEqual(field(package("avatard"), "Recommends"), "ca-certificates, chafa")

    def test_lintian_finds_neither_errors_nor_warnings(self):
        result = subprocess.run(
            ["lintian", "--allow-root", "--fail-on", "error,warning", *map(package, NAMES)], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stdout)


class PackageTest(unittest.TestCase):
    def setUp(self):
        self.box = machine.Machine(prepared)
        self.addCleanup(self.box.close)

    def apt(self, *arguments):
        return self.box.root_does(
            "apt-get", "--yes", "--quiet", "--no-install-recommends", "--option", "Dpkg::Use-Pty=0", *arguments)

    def install(self, which):
        return self.apt("install", *(f"/packages/{which}/{name}.deb" for name in NAMES))

    def server(self, key):
        return self.box.unit("avatar-server", key, user=False)

    def state_of(self, name):
        result = self.box.root_does("dpkg-query", "-W", "-f", "${db:Status-Status}", name, check=False)
        return result.stdout if result.returncode == 0 else "not-installed"

    def run_agent(self):
        """The user's agent enabled, running, and online at the packages' server."""
        token = programs.add_user(self.box)
        self.box.user_does("systemctl", "--user", "daemon-reload")
        self.box.user_does("systemctl", "--user", "enable", "--now", "avatard")
        programs.log_in(self.box, token)
        self.until_online()

    def until_online(self):
        self.box.until(lambda: programs.status(self.box)["connection"] == "online", "the agent is online")


class Installed(PackageTest):
    def test_the_server_runs_at_once_with_its_sample_configuration(self):
        self.install("new")
        self.assertEqual(self.server("ActiveState"), "active")
        self.assertEqual(self.server("UnitFileState"), "enabled")
        self.assertEqual(self.box.root_does("stat", "-c", "%a %U %G", CONFIGURATION).stdout, "640 root avatar-server\n")
        self.assertEqual(
            self.box.root_does("stat", "-c", "%a %U", "/var/lib/avatar-server").stdout, "700 avatar-server\n")

    def test_nobodys_agent_runs_until_its_user_enables_it(self):
        self.install("new")
        self.box.user_does("systemctl", "--user", "daemon-reload")
        self.assertEqual(self.box.unit("avatard", "ActiveState"), "inactive")
        self.assertEqual(self.box.unit("avatard", "UnitFileState"), "disabled")
        self.run_agent()
        programs.put_on_server(self.box, 1001, "theirs.png", programs.BLUE)
        self.box.user_does("avatarctl", "fetch", "theirs.png")

    def test_manuals_completions_and_samples_are_there(self):
        self.install("new")
        for path in ["/usr/share/man/man1/avatard.1.gz", "/usr/share/man/man1/avatarctl.1.gz", "/usr/share/man/man8/avatar-server.8.gz",
                     "/usr/share/bash-completion/completions/avatarctl", "/usr/share/zsh/vendor-completions/_avatarctl",
                     "/usr/share/fish/vendor_completions.d/avatar-server.fish", "/usr/share/doc/avatard/examples/avatard.yaml",
                     "/usr/share/doc/avatard/copyright", "/usr/share/doc/avatar-server/copyright"]:
            # A Debian without manuals leaves man pages and documents out (dpkg.cfg.d); the package lists them.
            listed = self.box.root_does("dpkg-query", "--search", path, check=False).stdout
            self.assertIn(path, listed)


class Upgraded(PackageTest):
    def test_server_and_agent_go_on_in_the_new_version(self):
        self.install("old")
        self.run_agent()
        before = self.server("MainPID"), self.box.unit("avatard", "MainPID")
        self.install("new")
        self.assertEqual(self.server("ActiveState"), "active")
        self.assertEqual(self.box.unit("avatard", "ActiveState"), "active")
        after = self.server("MainPID"), self.box.unit("avatard", "MainPID")
        for old, new in zip(before, after):
            self.assertNotEqual(old, new)
        self.assertEqual(self.box.user_does("readlink", f"/proc/{after[1]}/exe").stdout, "/usr/bin/avatard\n")
        self.until_online()

    def test_a_configuration_that_somebody_changed_is_kept(self):
        self.install("old")
        self.box.root_does("sed", "-i", "s/bytesPerUser: 0/bytesPerUser: 1GB/", CONFIGURATION)
        self.apt("--option", "Dpkg::Options::=--force-confdef", "--option", "Dpkg::Options::=--force-confold",
                 "install", *(f"/packages/new/{name}.deb" for name in NAMES))
        self.assertIn("bytesPerUser: 1GB", self.box.root_does("cat", CONFIGURATION).stdout)
        self.assertEqual(self.box.root_does("stat", "-c", "%a %U %G", CONFIGURATION).stdout, "640 root avatar-server\n")
        self.assertEqual(self.server("ActiveState"), "active")

    def test_a_configuration_that_nobody_changed_is_the_new_one(self):
        self.install("old")
        self.install("new")
        self.assertNotIn("Of an earlier version", self.box.root_does("cat", CONFIGURATION).stdout)


class TakenAway(PackageTest):
    def setUp(self):
        super().setUp()
        self.install("new")
        self.run_agent()
        programs.put_on_server(self.box, 1001, "theirs.png", programs.BLUE)
        self.box.user_does("avatarctl", "fetch", "theirs.png")
        self.picture = machine.HOME + "/.local/share/avatard/avatars/theirs.png"

    def test_remove_stops_both_and_leaves_configuration_and_pictures(self):
        agent = self.box.unit("avatard", "MainPID")
        self.apt("remove", *NAMES)
        self.assertEqual(self.server("ActiveState"), "inactive")
        self.box.until(
            lambda: self.box.root_does("test", "-d", f"/proc/{agent}", check=False).returncode != 0, "the agent has ended")
        for path in [CONFIGURATION, "/var/lib/avatar-server/avatar-server.sqlite", self.picture]:
            self.box.root_does("test", "-f", path)
        self.assertEqual(self.box.root_does("sh", "-c", "ls /usr/bin/avatar*", check=False).stdout, "")
        self.assertEqual(self.state_of("avatar-server"), "config-files")

    def test_purge_takes_the_configuration_and_says_that_pictures_stay(self):
        result = self.apt("purge", *NAMES)
        self.assertIn("users and their pictures stay in /var/lib/avatar-server", result.stdout + result.stderr)
        self.assertNotEqual(self.box.root_does("test", "-e", "/etc/avatar-server", check=False).returncode, 0)
        for path in ["/var/lib/avatar-server/avatar-server.sqlite", self.picture]:
            self.box.root_does("test", "-f", path)
        self.assertEqual(self.state_of("avatar-server"), "not-installed")

    def test_installed_again_it_finds_its_users(self):
        self.apt("purge", *NAMES)
        self.install("new")
        listed = self.box.root_does("runuser", "-u", "avatar-server", "--", "avatar-server", "user", "list").stdout
        self.assertIn("1001\tada", listed)
