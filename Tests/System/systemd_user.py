"""The agent in a user's systemd: installed, activated, killed, restarted, upgraded and taken away. `make test-systemd`"""
import tempfile
import unittest

import machine
import programs


def setUpModule():
    global installed
    folder = tempfile.TemporaryDirectory(prefix="avatard-installed-")
    unittest.addModuleCleanup(folder.cleanup)
    debian = machine.archive("debian", machine.SYSTEM + machine.LIBRARIES)
    installed = machine.prepared(debian, folder.name, programs.install_at_home, programs.install_for_everybody)


class UserManagerTest(unittest.TestCase):
    def setUp(self):
        self.box = machine.Machine(installed)
        self.addCleanup(self.box.close)

    def is_active(self, unit):
        return self.box.unit(unit, "ActiveState") == "active"

    def is_online(self):
        return programs.status(self.box)["connection"] == "online"

    def log(self, *matches):
        return self.box.user_does("journalctl", "--user", "-u", "avatard", "-o", "cat", "--no-pager", "--quiet", *matches).stdout

    def configure(self, text):
        self.box.user_does("sh", "-c", "mkdir -p .config/avatard && cat >.config/avatard/avatard.yaml", stdin=text)


class Installed(UserManagerTest):
    def test_programs_run_without_swift(self):
        self.assertEqual(self.box.root_does("sh", "-c", "find / -xdev -name 'libswift*'").stdout, "")
        for program in ["avatard", "avatarctl", "avatar-server"]:
            self.box.user_does(program, "--help")

    def test_programs_have_no_symbols_but_those_of_the_loader(self):
        for program in ["avatard", "avatarctl", "avatar-server"]:
            path = self.box.root / f"usr/local/bin/{program}"
            sections = machine.subprocess.run(["readelf", "-S", "-W", path], check=True, capture_output=True, text=True).stdout
            self.assertIn(".dynsym", sections)
            self.assertNotIn(".symtab", sections)
            self.assertNotIn(".debug_info", sections)

    def test_enable_starts_it_now_and_at_every_boot(self):
        self.box.user_does("systemctl", "--user", "enable", "--now", "avatard")
        self.assertTrue(self.is_active("avatard"))
        self.box.reboot()
        self.box.until(lambda: self.is_active("avatard"), "the agent runs after a reboot")

    def test_uninstall_leaves_pictures_and_settings_alone(self):
        self.box.user_does("systemctl", "--user", "enable", "--now", "avatard")
        programs.drop(self.box, "mine.png", programs.RED)
        self.box.user_does("systemctl", "--user", "disable", "--now", "avatard")
        programs.uninstall_at_home(self.box.root)
        self.box.user_does("systemctl", "--user", "daemon-reload")
        self.assertEqual(self.box.unit("avatard", "FragmentPath"), "/usr/local/lib/systemd/user/avatard.service")
        left = self.box.user_does("find", ".local", "-type", "f").stdout.split()
        self.assertIn(".local/share/avatard/crops/mine.png", left)
        self.assertEqual([path for path in left if not path.startswith((".local/share/avatard/", ".local/state/avatard/"))], [])


class Activated(UserManagerTest):
    def test_the_first_call_starts_the_agent(self):
        self.box.user_does("systemctl", "--user", "enable", "--now", "avatard.socket")
        self.assertFalse(self.is_active("avatard"))
        self.assertEqual(programs.status(self.box)["connection"], "offline")
        self.assertTrue(self.is_active("avatard"))

    def test_the_socket_is_there_after_a_reboot(self):
        self.box.user_does("systemctl", "--user", "enable", "--now", "avatard.socket")
        self.box.reboot()
        self.box.until(lambda: self.is_active("avatard.socket"), "the socket listens after a reboot")
        self.assertEqual(programs.status(self.box)["connection"], "offline")


    def test_a_wrong_configuration_is_told_to_whoever_calls_and_mended_under_the_socket(self):
        self.configure("cache:\n  directry: /nowhere\n")
        self.box.user_does("systemctl", "--user", "enable", "--now", "avatard.socket")
        # More often, and faster, than systemd by itself lets a unit be started and a socket be asked.
        for _ in range(25):
            told = self.box.user_does("avatarctl", "status", check=False)
            self.assertEqual(told.returncode, 3, told.stderr)
            self.assertTrue(self.is_active("avatard.socket"), told.stderr)
        self.assertIn("hung up before it answered", told.stderr)
        self.assertIn("is cache.directory meant?", told.stderr)
        self.assertIn("systemctl --user restart avatard", told.stderr)
        self.configure("")
        self.assertEqual(programs.status(self.box)["connection"], "offline")

    def test_an_agent_that_cannot_start_without_a_socket_is_told_of_likewise(self):
        self.configure("cache:\n  directry: /nowhere\n")
        self.box.user_does("systemctl", "--user", "start", "avatard", check=False)
        told = self.box.user_does("avatarctl", "status", check=False)
        self.assertEqual(told.returncode, 3)
        self.assertIn("is cache.directory meant?", told.stderr)


class AtWork(UserManagerTest):
    """With a server in the same machine."""

    def setUp(self):
        super().setUp()
        self.token = programs.start_server(self.box)
        self.box.user_does("systemctl", "--user", "enable", "--now", "avatard")

    def log_in(self):
        programs.log_in(self.box, self.token)
        self.box.until(self.is_online, "the agent is online")

    def test_login_fetch_and_upload(self):
        self.log_in()
        programs.put_on_server(self.box, 1001, "theirs.png", programs.BLUE)
        self.box.user_does("avatarctl", "fetch", "theirs.png")
        there = self.box.root / machine.HOME[1:] / ".local/share/avatard/avatars/theirs.png"
        self.assertEqual(there.read_bytes(), programs.BLUE)
        # inotify through the sandbox's own mounts.
        programs.drop(self.box, "mine.png", programs.RED)
        self.box.until(lambda: programs.on_server(self.box, 1001, "mine.png"), "the crop is on the server")

    def test_a_picture_in_tmp_is_uploaded(self):
        self.log_in()
        programs.drop(self.box, "shot.png", programs.RED, "/tmp")
        self.box.user_does("avatarctl", "upload", "/tmp/shot.png")

    def test_killed_it_comes_back_as_the_same_user(self):
        self.log_in()
        before = self.box.unit("avatard", "MainPID")
        self.box.user_does("kill", "-9", before)
        self.box.until(lambda: self.box.unit("avatard", "MainPID") not in (before, "0") and self.is_active("avatard"), "a new agent runs")
        self.assertEqual(self.box.unit("avatard", "NRestarts"), "1")
        self.box.until(self.is_online, "it is online again")

    def test_a_reboot_keeps_the_login(self):
        self.log_in()
        self.box.reboot()
        self.box.until(lambda: self.is_active("avatard"), "the agent runs after a reboot")
        self.box.until(self.is_online, "it is online again")

    def test_an_upgrade_under_a_running_agent_takes_effect_with_the_restart(self):
        self.log_in()
        programs.install_at_home(self.box.root)
        program = f"/proc/{self.box.unit('avatard', 'MainPID')}/exe"
        self.assertIn("(deleted)", self.box.user_does("readlink", program).stdout)
        self.assertTrue(self.is_online())
        self.box.user_does("systemctl", "--user", "daemon-reload")
        self.box.user_does("systemctl", "--user", "restart", "avatard")
        program = f"/proc/{self.box.unit('avatard', 'MainPID')}/exe"
        self.assertEqual(self.box.user_does("readlink", program).stdout, machine.HOME + "/.local/bin/avatard\n")
        self.box.until(self.is_online, "it is online again")


class Configured(UserManagerTest):
    def test_a_wrong_configuration_is_not_tried_again(self):
        self.configure("cache:\n  directry: /nowhere\n")
        self.box.user_does("systemctl", "--user", "start", "avatard", check=False)
        self.box.until(lambda: self.box.unit("avatard", "ActiveState") == "failed", "the unit has failed")
        self.assertEqual(self.box.unit("avatard", "ExecMainStatus"), "78")
        self.assertEqual(self.box.unit("avatard", "NRestarts"), "0")
        self.assertIn("is cache.directory meant?", self.log())

    def test_folders_elsewhere_in_the_home_work(self):
        self.configure("cache:\n  directory: ~/Pictures/avatars\n".replace("~", machine.HOME))
        self.box.user_does("mkdir", "Pictures")
        self.box.user_does("systemctl", "--user", "start", "avatard")
        self.assertTrue((self.box.root / machine.HOME[1:] / "Pictures/avatars").is_dir())

    def test_folders_outside_the_home_need_a_line_in_the_unit(self):
        self.box.root_does("install", "-d", "-o", machine.USER, "/srv/avatars")
        self.configure("cache:\n  directory: /srv/avatars\n")
        self.box.user_does("systemctl", "--user", "start", "avatard", check=False)
        self.assertIn("Read-only file system", self.log())
        self.box.user_does(
            "sh", "-c", "mkdir -p .config/systemd/user/avatard.service.d && cat >.config/systemd/user/avatard.service.d/override.conf",
            stdin="[Service]\nReadWritePaths=/srv/avatars\n")
        self.box.user_does("systemctl", "--user", "daemon-reload")
        self.box.user_does("systemctl", "--user", "restart", "avatard")
        self.assertTrue(self.is_active("avatard"))

    def test_the_token_file_is_read_through_the_sandbox(self):
        token = programs.start_server(self.box)
        self.box.user_does("sh", "-c", "umask 077 && cat >token", stdin=token + "\n")
        self.configure(f"server:\n  host: 127.0.0.1:9090\nidentity:\n  uid: 1001\n  tokenFile: {machine.HOME}/token\n")
        self.box.user_does("systemctl", "--user", "start", "avatard")
        self.box.until(self.is_online, "the agent is online")


class Watched(UserManagerTest):
    def test_an_agent_whose_disk_thread_is_stuck_is_started_anew(self):
        self.box.user_does(
            "sh", "-c", "mkdir -p .config/systemd/user/avatard.service.d && cat >.config/systemd/user/avatard.service.d/override.conf",
            stdin="[Service]\nWatchdogSec=2\n")
        self.box.user_does("systemctl", "--user", "daemon-reload")
        self.box.user_does("systemctl", "--user", "start", "avatard")
        before = self.box.unit("avatard", "MainPID")
        # The event loop goes on; the pool's thread that has the disk does not.
        with self.box.held_threads(before, "TP-"):
            self.box.until(lambda: "Watchdog timeout" in self.log(), "systemd misses the agent's word")
        self.box.until(
            lambda: self.box.unit("avatard", "MainPID") not in (before, "0") and self.is_active("avatard"), "a new agent runs")

    def test_only_its_own_words_are_in_its_log(self):
        self.box.user_does("systemctl", "--user", "start", "avatard")
        self.box.user_does("systemctl", "--user", "stop", "avatard")
        self.assertIn("the agent runs", self.log("_TRANSPORT=stdout"))
        # The agent writes on standard error. A library that writes beside it does so through syslog(3).
        self.assertEqual(self.log("_TRANSPORT=syslog"), "")


class Sandbox(UserManagerTest):
    def setUp(self):
        super().setUp()
        self.box.user_does("systemctl", "--user", "start", "avatard")

    def test_systemd_thinks_well_of_it(self):
        result = self.box.user_does("systemd-analyze", "--user", "security", "--threshold=30", "--no-pager", "avatard.service")
        self.assertIn("OK :-)", result.stdout)

    def test_a_mount_that_is_made_later_is_seen(self):
        self.box.user_does("mkdir", "Pictures")
        self.box.root_does("mount", "-t", "tmpfs", "none", machine.HOME + "/Pictures")
        mounts = self.box.user_does("cat", f"/proc/{self.box.unit('avatard', 'MainPID')}/mountinfo").stdout
        self.assertIn(f" {machine.HOME}/Pictures rw", mounts)
