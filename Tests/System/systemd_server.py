"""avatar-server as a service of the system's systemd, from `make install PREFIX=/usr/local`. `make test-systemd`"""
import tempfile
import unittest

import machine
import programs

CONFIGURATION = "/etc/avatar-server/avatar-server.yaml"


def setUpModule():
    global installed
    folder = tempfile.TemporaryDirectory(prefix="avatard-installed-")
    unittest.addModuleCleanup(folder.cleanup)
    debian = machine.archive("debian", machine.SYSTEM + machine.LIBRARIES)
    installed = machine.prepared(debian, folder.name, programs.install_for_everybody)


class ServerTest(unittest.TestCase):
    def setUp(self):
        self.box = machine.Machine(installed)
        self.addCleanup(self.box.close)
        self.box.root_does("systemd-sysusers")
        self.box.root_does("systemd-tmpfiles", "--create", "avatar-server.conf")

    def unit(self, key):
        return self.box.unit("avatar-server", key, user=False)

    def is_active(self):
        return self.unit("ActiveState") == "active"

    def log(self):
        return self.box.root_does("journalctl", "-u", "avatar-server", "-o", "cat", "--no-pager").stdout

    def configure(self, text):
        self.box.root_does("sh", "-c", f"mkdir -p /etc/avatar-server && cat >{CONFIGURATION}", stdin=text)

    def start(self, check=True):
        self.box.root_does("systemctl", "enable", "--now", "avatar-server", check=check)

    def test_the_first_start_needs_no_configuration(self):
        self.start()
        self.assertIn("listening", self.log())
        self.assertEqual(len(programs.add_user(self.box)), 32)
        listed = self.box.root_does("runuser", "-u", "avatar-server", "--", "avatar-server", "user", "list").stdout
        self.assertIn("1001\tada", listed)

    def test_the_sample_configuration_works_as_it_is(self):
        self.box.root_does("mkdir", "-p", "/etc/avatar-server")
        self.box.root_does("cp", "/usr/local/share/doc/avatard/avatar-server.yaml", CONFIGURATION)
        # As the package does, and every boot.
        self.box.root_does("systemd-tmpfiles", "--create", "avatar-server.conf")
        self.assertEqual(self.box.root_does("stat", "-c", "%a %U %G", CONFIGURATION).stdout, "640 root avatar-server\n")
        self.start()
        self.assertTrue(self.is_active())

    def test_only_its_own_words_are_in_its_log(self):
        self.start()
        self.box.root_does("systemctl", "stop", "avatar-server")
        self.assertIn("stopped", self.log())
        # The server writes on standard error. A library that writes beside it does so through syslog(3).
        beside = self.box.root_does("journalctl", "-u", "avatar-server", "_TRANSPORT=syslog", "-o", "cat", "--no-pager", "--quiet")
        self.assertEqual(beside.stdout, "")

    def test_a_user_that_is_made_before_the_first_start(self):
        programs.add_user(self.box)
        self.start()
        self.assertTrue(self.is_active())

    def test_a_wrong_configuration_is_not_tried_again(self):
        self.configure("listen:\n  prt: 9090\n")
        self.start(check=False)
        self.box.until(lambda: self.unit("ActiveState") == "failed", "the unit has failed")
        self.assertEqual(self.unit("ExecMainStatus"), "78")
        self.assertEqual(self.unit("NRestarts"), "0")
        self.assertIn("is listen.port meant?", self.log())

    def test_a_configuration_that_it_may_not_read_is_said(self):
        self.configure("listen:\n  port: 9090\n")
        self.box.root_does("chmod", "600", CONFIGURATION)
        self.start(check=False)
        self.box.until(lambda: self.unit("ActiveState") == "failed", "the unit has failed")
        self.assertIn("Permission denied", self.log())
        self.assertIn(CONFIGURATION, self.log())

    def test_a_port_that_is_taken_is_said_and_tried_again_until_it_is_free(self):
        # systemd itself holds the port.
        self.box.root_does(
            "systemd-run", "--unit=holder", "--socket-property=ListenStream=127.0.0.1:9090", "--property=Type=oneshot", "true")
        self.start(check=False)
        self.box.until(lambda: self.unit("ExecMainStatus") == "69", "the server says that it cannot listen")
        self.assertIn("9090", self.log())
        self.box.root_does("systemctl", "stop", "holder.socket")
        self.box.until(self.is_active, "the server listens", seconds=30)

    def test_files_elsewhere_need_a_line_in_the_unit(self):
        self.box.root_does("install", "-d", "-o", "avatar-server", "-g", "avatar-server", "/srv/avatars")
        self.configure("storage:\n  root: /srv/avatars\n")
        self.start(check=False)
        self.box.until(lambda: "Read-only file system" in self.log(), "the server says what is wrong")
        self.box.root_does("mkdir", "-p", "/etc/systemd/system/avatar-server.service.d")
        self.box.root_does(
            "sh", "-c", "cat >/etc/systemd/system/avatar-server.service.d/override.conf",
            stdin="[Service]\nReadWritePaths=/srv/avatars\n")
        self.box.root_does("systemctl", "daemon-reload")
        self.box.root_does("systemctl", "restart", "avatar-server")
        self.assertTrue(self.is_active())

    def test_killed_it_comes_back(self):
        self.start()
        before = self.unit("MainPID")
        self.box.root_does("kill", "-9", before)
        self.box.until(lambda: self.unit("MainPID") not in (before, "0") and self.is_active(), "a new server runs", seconds=20)

    def test_it_runs_after_a_reboot_with_its_users(self):
        self.start()
        programs.add_user(self.box)
        self.box.reboot()
        self.box.until(self.is_active, "the server runs after a reboot")
        listed = self.box.root_does("runuser", "-u", "avatar-server", "--", "avatar-server", "user", "list").stdout
        self.assertIn("1001\tada", listed)

    def test_systemd_thinks_well_of_its_sandbox(self):
        self.start()
        result = self.box.root_does("systemd-analyze", "security", "--threshold=20", "--no-pager", "avatar-server.service")
        self.assertIn("OK :-)", result.stdout)

    def test_uninstall_leaves_its_files_alone(self):
        self.start()
        self.box.root_does("systemctl", "disable", "--now", "avatar-server")
        machine.uninstall(self.box.root)
        self.box.root_does("systemctl", "daemon-reload")
        self.assertEqual(self.unit("LoadState"), "not-found")
        self.assertEqual(self.box.root_does("sh", "-c", "find /usr/local -type f").stdout, "")
        self.box.root_does("test", "-f", "/var/lib/avatar-server/avatar-server.sqlite")
