#!/usr/bin/env python3
"""Shows avatard at work on real pictures: `make run`.

A resource server and the agents of two users run on temporary folders and a loopback port. Labels are registered over the
agents' Varlink bus, as a chat client would; whatever is said here was heard there or read from the folders. Exit status: 0
when everything matched, 1 when something did not, 130 after Ctrl-C. Nothing is left behind in any case.
"""

import argparse
import os
import pathlib
import shutil
import sys
import time

import varlink

from bus import DemoFailure
from pictures import FIXTURES, draw_mural, sha256, signature
from stage import Interrupted, Signals, Stage

ADA, BOB = 1001, 1002
# SIGKILL comes when so much of the mural is there.
KILL_AT = 0.3


def say(text=""):
    print(text, flush=True)


def size_words(count):
    return f"{count:,} bytes".replace(",", " ")


class Demonstration:
    def __init__(self, stage):
        self.stage = stage
        # Of each picture that was compared: name, how it got there, original, copy.
        self.compared = []
        self.act_number = 0

    def act(self, title):
        self.act_number += 1
        say(f"\n{self.act_number}. {title}")

    def check(self, is_so, what):
        if not is_so:
            raise DemoFailure(what)

    def compare(self, name, way, original, copy):
        """Notes two files for the table, and fails at once when they differ."""
        self.compared.append((name, way, original, copy))
        self.check(copy.is_file(), f"{copy} is not there")
        self.check(sha256(original) == sha256(copy), f"{copy} differs from {original}")

    # The acts.

    def open(self):
        self.act("A resource server with two users, Ada and Bob")
        self.ada_token = self.stage.add_user(ADA, "ada")
        self.bob_token = self.stage.add_user(BOB, "bob")
        self.shelf = self.stage.server_root / str(ADA)
        self.shelf.mkdir(exist_ok=True)
        self.names = sorted(path.name for path in FIXTURES.iterdir())
        for name in self.names:
            shutil.copyfile(FIXTURES / name, self.shelf / name)
        self.stage.start_server()
        formats = sorted({signature(self.shelf / name) for name in self.names})
        total = sum((self.shelf / name).stat().st_size for name in self.names)
        say(f"   It listens on 127.0.0.1:{self.stage.port} (process {self.stage.server.pid}), and for HTTPS on {self.stage.http_port}.")
        say(f"   Ada's folder there has {len(self.names)} pictures ({', '.join(formats)}), {size_words(total)}.")

    def arrive(self):
        self.act("Ada's agent starts with an empty cache; a chat client registers a label for each picture")
        self.ada = self.stage.start_agent("ada", ADA, self.ada_token)
        bus = self.ada.bus
        bus.stream("changes", "Watch")
        bus.next_said("the log's cursor")
        self.check(not list(self.ada.cache.glob("[!.]*")), "the cache was not empty")
        # Two widgets that show one picture, and one of the chat client's default heads.
        twice, head = self.names[0], ":/res/head_3.jpg"
        wanted = {f"roster/{name}": name for name in self.names} | {"header": twice, "stranger": head}
        labels = [{"label": label, "name": name} for label, name in wanted.items()]
        bus.stream("labels", "Register", labels=labels, keep=True)
        large = [name for name in self.names if (self.shelf / name).stat().st_size > 300_000]
        bus.stream("progress", "Fetch", names=large)
        self.follow_arrivals(wanted, large)
        stranger = bus.call("Get", name=head)["avatar"]
        self.check(stranger["state"] == "builtin", f"{head} is {stranger['state']}, not builtin")
        for name in self.names:
            self.compare(name, "fetched", self.shelf / name, self.ada.cache / name)
        say(f"   All {len(wanted)} labels were told. {head} was never asked of the server: it is a built-in head.")

    def follow_arrivals(self, wanted, large):
        """Prints progress and labels as the bus tells them, until every label has a final state."""
        tenths, told = {}, {}
        while len(told) < len(wanted):
            said = self.ada.bus.next_said("the labels' pictures")
            if said.stream == "progress":
                for name in large:
                    self.show_progress(name, tenths)
            if said.stream != "labels":
                continue
            for state in said.reply["labels"]:
                label, avatar = state["label"], state["avatar"]
                if avatar["state"] == "pending":
                    self.check(os.path.isfile(avatar["fallback"]), f"{label} has no fallback to show")
                    continue
                self.check(label not in told, f"{label} was told twice")
                self.check(avatar["state"] in ("ready", "builtin"), f"{label} is {avatar}")
                told[label] = avatar
                say(f"   {label:<26} {avatar['state']:<8} {size_words(avatar['size']) if 'size' in avatar else ''}")

    def show_progress(self, name, tenths, agent=None):
        """Asks how far a picture is, and prints every further tenth."""
        avatar = (agent or self.ada).bus.call("Get", name=name)["avatar"]
        size, there = avatar.get("size"), avatar.get("transferred")
        if avatar["state"] != "pending" or not size or there is None:
            return avatar
        tenth = there * 10 // size
        if tenth > tenths.get(name, -1):
            tenths[name] = tenth
            bar = ("#" * (2 * tenth)).ljust(20, ".")
            say(f"   {name:<26} [{bar}] {there * 100 // size:3} %  {size_words(there)}")
        return avatar

    def interrupt(self):
        name = "mural.bmp"
        self.act("A big picture is on its way when the server is killed")
        original = self.shelf / name
        draw_mural(original, width=2000, height=2400)
        size = original.stat().st_size
        before = self.ada.bus.call("Status")["figures"]
        bus = self.ada.bus
        bus.stream("mural label", "Register", labels=[{"label": "wall", "name": name}])
        bus.stream("mural", "Fetch", names=[name])
        tenths = {}
        avatar = {"state": "pending"}
        while avatar.get("transferred", 0) < KILL_AT * size:
            if bus.next_said("the mural's first part").stream != "mural":
                continue
            avatar = self.show_progress(name, tenths)
            self.check(avatar["state"] == "pending", f"before the kill the mural is {avatar}")
        killed = self.stage.server.pid
        self.stage.server.kill()
        avatar = bus.call("Get", name=name)["avatar"]
        self.check(avatar["state"] == "pending", f"after the kill the mural is {avatar}")
        offset = avatar["transferred"]
        self.check(0 < offset < size, f"the mural was at {offset} of {size} bytes")
        self.check(not (self.ada.cache / name).exists(), "a part of the mural lies under its final name")
        say(f"   SIGKILL to the server (process {killed}); {size_words(offset)} of {size_words(size)} are there.")
        say(f"   The cache has no {name}: a final name never holds a part.")
        self.stage.start_server()
        say(f"   The server is back on the same port (process {self.stage.server.pid}).")
        lowest = self.follow_mural(name, tenths)
        self.compare(name, "fetched across the kill", original, self.ada.cache / name)
        after = self.ada.bus.call("Status")["figures"]
        received = int(after["bytes_down"] - before["bytes_down"])
        self.check(lowest is None or lowest >= offset, f"the transfer fell back from {offset} to {lowest}")
        self.check(after["download_restarts"] == before["download_restarts"], "the transfer started over")
        self.check(received == size, f"{received} bytes were fetched for a picture of {size}: not just the rest")
        say(f"   It went on at byte {offset} or later and never fell back. Over both connections the agent took in")
        say(f"   {size_words(received)}, as many as the picture has: nothing was fetched twice.")

    def follow_mural(self, name, tenths):
        """Follows the rest of the transfer; returns the lowest offset seen after the restart."""
        lowest, is_told = None, False
        while not is_told:
            said = self.ada.bus.next_said("the rest of the mural")
            if said.stream == "mural label" and said.reply is not None:
                for state in said.reply["labels"]:
                    is_told = is_told or state["avatar"]["state"] == "ready"
            elif said.stream == "mural":
                avatar = self.show_progress(name, tenths)
                if avatar["state"] == "pending" and avatar.get("transferred") is not None:
                    lowest = avatar["transferred"] if lowest is None else min(lowest, avatar["transferred"])
        say(f"   {'wall':<26} ready")
        return lowest

    def delete(self):
        name = self.names[1]
        self.act(f"Somebody deletes {name} from the cache, though a label shows it")
        path = self.ada.cache / name
        before = self.ada.bus.call("Status")["figures"]["bytes_down"]
        cursor = self.ada.bus.call("Watch")["cursor"]
        path.unlink()
        kinds, label = [], f"roster/{name}"
        shown = None
        while shown != "ready" or kinds[-1:] != ["ready"]:
            said = self.ada.bus.next_said(f"the return of {name}")
            if said.stream == "changes":
                news = [change for change in said.reply["changes"] if change["cursor"] > cursor]
                kinds += [change["kind"] for change in news if change["avatar"].get("name") == name]
            elif said.stream == "labels":
                for state in said.reply["labels"]:
                    shown = state["avatar"]["state"] if state["label"] == label else shown
        self.check(kinds == ["removed", "ready"], f"the log tells of {name}: {kinds}")
        fetched = int(self.ada.bus.call("Status")["figures"]["bytes_down"] - before)
        self.compare(name, "fetched again", self.shelf / name, path)
        self.check(fetched == path.stat().st_size, f"{fetched} bytes were fetched for {name}")
        say(f"   The agent noticed, fetched its {size_words(fetched)} again, and told the label {label}.")

    def wait_change(self, agent, kind, name):
        """The next change of this kind and name in the agent's log."""
        while True:
            said = agent.bus.next_said(f"the change {kind} of {name}")
            if said.stream != "changes":
                continue
            for change in said.reply["changes"]:
                if change["kind"] == kind and change["avatar"].get("name") == name:
                    return change

    def crop(self):
        self.act("Ada crops a new avatar into her upload folder; Bob's agent fetches it")
        name = "ada-at-the-sea.png"
        crop = self.ada.crops / name
        shutil.copyfile(FIXTURES / "dilek.png", crop)
        self.wait_change(self.ada, "icon", name)
        self.compare(name, "uploaded", crop, self.shelf / name)
        say(f"   Noticed, uploaded, and on the server as Ada's icon: {size_words(crop.stat().st_size)}.")
        self.bob = self.stage.start_agent("bob", BOB, self.bob_token, is_secure=True)
        self.bob.bus.stream("labels", "Register", labels=[{"label": "friend", "owner": ADA}], keep=True)
        self.follow_friend(name, crop)
        say(f"   Bob's agent speaks {self.bob.bus.call('Status')['dialect']}. His label names Ada alone: it shows her avatar.")

    def follow_friend(self, name, crop):
        """Waits until Bob's label shows Ada's avatar of that name, held against the server's digest."""
        avatar = {}
        while avatar.get("name") != name or avatar["state"] != "ready":
            said = self.bob.bus.next_said("Ada's avatar at Bob's")
            avatar = said.reply["labels"][-1]["avatar"]
            self.check(avatar["state"] in ("pending", "ready"), f"Bob's label was told {avatar}")
        self.check(avatar["assurance"] == "digest", f"{name} was not held against a digest: {avatar}")
        self.compare(name, "fetched by Bob", crop, self.bob.cache / name)

    def change(self):
        self.act("Ada changes her avatar; nobody asks for it")
        name = "ada-in-the-rain.jpg"
        crop = self.ada.crops / name
        shutil.copyfile(FIXTURES / "emeka.jpg", crop)
        self.follow_friend(name, crop)
        say("   The server told Bob's agent, and his label shows the new one.")

    def close(self):
        self.act("SIGTERM")
        for process in reversed(self.stage.processes):
            if process.child.poll() is None:
                started = time.monotonic()
                status = process.stop()
                took = time.monotonic() - started
                self.check(status == 0, f"{process.name} ended with {status}:\n{process.last_words()}")
                self.check(took < 2, f"{process.name} took {took:.1f} s to end")
                say(f"   {process.name} ended in {took * 1000:.0f} ms.")

    def table(self):
        say("\nWhat was compared, byte by byte through SHA-256:\n")
        say(f"   {'name':<20} {'way':<24} {'bytes':>10}  {'SHA-256 there':<16}  {'SHA-256 here':<16}")
        for name, way, original, copy in self.compared:
            there, here = sha256(original), sha256(copy)
            self.check(there == here, f"{copy} differs from {original}")
            say(f"   {name:<20} {way:<24} {copy.stat().st_size:>10}  {there[:16]}  {here[:16]}")

    def run(self):
        self.open()
        self.arrive()
        self.interrupt()
        self.delete()
        self.crop()
        self.change()
        self.close()
        self.table()


def main():
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Shows avatard at work on real pictures.")
    parser.add_argument("--programs", type=pathlib.Path, default=pathlib.Path(".build/debug"), help="their folder")
    arguments = parser.parse_args()
    started = time.monotonic()
    signals = Signals()
    try:
        compared = show(arguments.programs.resolve(), signals)
    except (DemoFailure, varlink.VarlinkError, OSError) as failure:
        say(f"\nNot as it should be: {failure}")
        return 1
    except Interrupted as interruption:
        say(f"\n{interruption}: everything was stopped and removed.")
        return 128 + interruption.number
    seconds = time.monotonic() - started
    say(f"\nAll {compared} comparisons matched, in {seconds:.1f} s; every process has ended, every file is removed.")
    return 0


def show(programs, signals):
    """Runs the demonstration, and takes everything down however it ends; returns how many files were compared."""
    stage = Stage(programs, signals)
    try:
        stage.set_up()
        demonstration = Demonstration(stage)
        demonstration.run()
        return len(demonstration.compared)
    finally:
        stage.take_down()


if __name__ == "__main__":
    sys.exit(main())
