"""docs/first-run.md, typed in a Debian 12 with a systemd of its own: what a new person does with the packages. `make test-deb`"""
import re
import shutil
import tempfile
import time
import unittest

import machine
import packages
import programs

PAGE = machine.PACKAGE / "docs/first-run.md"
PICTURES = machine.PACKAGE / "Tests/Support/Fixtures/pictures"
ANYTHING = "…"


def steps():
    """The page's lines to type, each as (prompt, line, what is printed), the prompt being `#` for root and `$` for the user."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line[:2] in ("# ", "$ "):
                found.append((line[0], line[2:], []))
            else:
                found[-1][2].append(line)
    return found


def pattern(lines):
    """What the lines may be in another run: other numbers, and anything where the page has an ellipsis."""
    return "".join(
        "(?:.*\n)*" if line == ANYTHING else re.sub(r"\d+", r"\\d+", re.escape(line)) + "\n" for line in lines)


def put(root):
    for name in packages.NAMES:
        shutil.copy(packages.package(name), root / "root")
    (root / "home/ada/Pictures").mkdir()
    shutil.copy(PICTURES / "ada.png", root / "home/ada/me.png")
    shutil.copy(PICTURES / "chen.png", root / "home/ada/Pictures/holiday.png")
    programs.give_home(root)


class FirstRun(unittest.TestCase):
    def test_every_line_of_the_page_does_and_prints_what_it_says(self):
        debian = machine.archive("debian", machine.SYSTEM + machine.LIBRARIES)
        with tempfile.TemporaryDirectory(prefix="avatard-first-run-") as folder:
            with machine.Machine(machine.prepared(debian, folder, put)) as box:
                for prompt, line, printed in steps():
                    self.type(box, prompt, line, printed)

    def type(self, box, prompt, line, printed):
        begun = time.monotonic()
        if prompt == "#":
            result = box.root_does("sh", "-c", "cd /root && " + line, check=False)
        else:
            result = box.user_does("sh", "-c", line, check=False)
        print(f"{time.monotonic() - begun:6.2f} s  {line}")
        said = result.stdout + result.stderr
        self.assertEqual(result.returncode, 0, f"{line} said:\n{said}")
        self.assertRegex(said, "^(?:" + pattern(printed) + ")$", line)


if __name__ == "__main__":
    unittest.main()
