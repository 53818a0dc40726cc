"""Gives every command line of avatarctl, avatard and avatar-server that stands in a code block of README.md, docs/*.md or an example of a
man page to its real program, and prints those that it does not take. Arguments: the repository, the folder of the programs, an empty folder.

The programs get to understand their command line and not much further: avatarctl finds no agent, and a variable that is no key ends the
others before they begin. So a line may delete, log out or listen; nothing comes of it."""
import os
import pathlib
import re
import shlex
import subprocess
import sys

root, programs, home = map(pathlib.Path, sys.argv[1:])
# What each program ends with when its command line is wrong.
WRONG = {"avatarctl": 2, "avatard": 64, "avatar-server": 64}
ENVIRONMENT = {
    "HOME": str(home), "PATH": str(programs), "XDG_CONFIG_HOME": str(home), "AVATARD_BUS_SOCKET": str(home / "none"),
    "AVATAR_SERVER_NO_SUCH_KEY": "1",
}


def blocks(path):
    """The lines of a page's code blocks, with their numbers; a line that ends in a backslash goes on in the next."""
    inside, waiting = False, ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if path.suffix == ".md":
            if line.startswith("```"):
                inside = not inside and line[3:] in ("", "sh", "console", "bash")
                continue
        elif line in (".nf", ".EX", ".fi", ".EE"):
            inside = line in (".nf", ".EX")
            continue
        else:
            line = line.replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\")
        if inside or path.suffix == ".md" and line.startswith("    avatar"):
            line = waiting + line
            waiting = line[:-1] if line.endswith("\\") else ""
            if not waiting:
                yield number, line


def commands(line):
    """The commands of a line for one of our programs, without redirections."""
    words = shlex.shlex(re.sub(r"^\s*\$ ", "", line), posix=True, punctuation_chars="();<>|&")
    words.whitespace_split = True
    command, skips = [], False
    for word in list(words) + [";"]:
        if set(word) <= set("();|&"):
            if command and command[0] in WRONG:
                yield command
            command = []
        elif set(word) <= set("<>"):
            skips = True
        elif skips:
            skips = False
        else:
            command.append(word)


checked, faults = 0, []
pages = [root / "README.md", *sorted((root / "docs").glob("*.md")), *sorted((root / "docs/man").glob("*.[18]"))]
for page in pages:
    for number, line in blocks(page):
        if not re.search(r"\bavatar(ctl|d|-server)\b", line):
            continue
        try:
            found = list(commands(line))
        except ValueError:
            # No shell's words: a drawing, say.
            continue
        for command in found:
            environment = dict(ENVIRONMENT)
            if command[0] == "avatard":
                environment["AVATARD_NO_SUCH_KEY"] = "1"
            run = subprocess.run(
                [programs / command[0], *command[1:]], env=environment, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
            checked += 1
            if run.returncode == WRONG[command[0]] or run.returncode < 0:
                faults.append(f"{page.relative_to(root)}:{number}: {shlex.join(command)}: {run.stderr.decode().splitlines()[:1]}")
print("\n".join(faults + [f"{checked} command lines"]))
sys.exit(1 if faults else 0)
