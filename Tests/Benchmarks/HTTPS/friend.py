"""How soon a friend's new avatar is on the label, 20 ms away: both agents are connected over HTTPS, and sync what they commit.

100 times, half a second apart, a friend's agent gets a crop of 20 KiB. Measured is the time from when that agent hears that the server has it
until the other agent tells its label that the new picture is ready; and, for the whole way, from the save of the crop.
"""

import hashlib
import json
import math
import os
import select
import time

from link import Link, why_not
from ours import Bus
from pictures import picture
from stage import Agent, Front

ROUND_TRIP, BYTES = 20, 20 * 1024


def commit_seconds(place, times=50):
    """What this disk takes to write and sync one file and its folder, sorted."""
    found = []
    for number in range(times):
        path = os.path.join(place, f"sync-{number}")
        begun = time.monotonic()
        with open(path, "wb") as file:
            file.write(os.urandom(BYTES))
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(place, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        found.append(time.monotonic() - begun)
    return sorted(found)


def messages(bus):
    """The replies that are there now."""
    bus.buffer += bus.socket.recv(1 << 20)
    *whole, bus.buffer = bus.buffer.split(b"\0")
    return [json.loads(text)["parameters"] for text in whole]


def once(friend, watch, label, place, number):
    data = picture(BYTES)
    digest = hashlib.sha256(data).hexdigest()
    name = f"new-{number}.png"
    path = os.path.join(place, name)
    with open(path, "wb") as file:
        file.write(data)
    saved = time.monotonic()
    os.rename(path, os.path.join(friend.crops, name))
    acknowledged = shown = None
    while acknowledged is None or shown is None:
        ready, _, _ = select.select([watch.socket, label.socket], [], [], 30)
        now = time.monotonic()
        if not ready:
            raise RuntimeError(f"round {number}: acknowledged {acknowledged}, shown {shown}")
        if watch.socket in ready:
            for reply in messages(watch):
                for change in reply.get("changes", []):
                    if change["kind"] == "uploaded" and change["avatar"]["name"] == name:
                        acknowledged = now
        if label.socket in ready:
            for reply in messages(label):
                for told in reply["labels"]:
                    if told["avatar"]["state"] == "ready" and told["avatar"].get("sha256") == digest:
                        shown = now
    return shown - acknowledged, shown - saved


def measure(programs, place, is_quick):
    reason = why_not()
    if reason:
        return [f"Not measured: {reason}."]
    times = 10 if is_quick else 100
    link = Link(os.path.join(programs, "delay-link"), ROUND_TRIP)
    running = []
    try:
        front = Front(programs, os.path.join(place, "server"), 2, link, sync="full")
        running.append(front)
        agents = [Agent(programs, os.path.join(place, f"agent-{uid}"), uid, front.url, front.certificate, link) for uid in (1, 2)]
        running += agents
        watch, label = Bus(agents[1].socket), Bus(agents[0].socket)
        watch.send("Watch", more=True)
        label.send("Register", {"labels": [{"label": "friend", "owner": 2}], "keep": True}, more=True)
        found = []
        for number in range(times + 1):
            took = once(agents[1], watch, label, place, number)
            # The first may find the label's stream of changes not open yet.
            if number:
                found.append(took)
            time.sleep(0.5)
    finally:
        for program in reversed(running):
            program.stop()
        link.close()
    commit = commit_seconds(place)
    lines = ["| ms | median | 99 % | longest |", "|---|---|---|---|"]
    for title, values in [
        ("from the acknowledgement to the label", sorted(pair[0] for pair in found)),
        ("from the save of the crop to the label", sorted(pair[1] for pair in found)),
        ("this disk: one file of 20 KiB and its folder, synced", commit),
    ]:
        late = values[math.ceil(len(values) * 0.99) - 1]
        lines.append(f"| {title} | {values[len(values) // 2] * 1000:.1f} | {late * 1000:.1f} | {values[-1] * 1000:.1f} |")
    limit = 3 * ROUND_TRIP + commit[len(commit) // 2] * 1000
    lines += ["", f"Three round trips and a commit are {limit:.0f} ms."]
    return lines
