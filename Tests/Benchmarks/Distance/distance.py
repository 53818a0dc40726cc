#!/usr/bin/env python3
"""How long pictures take between an agent and a server that are far apart, beside curl and rsync: part of `make bench`.

Agent and server run in two network namespaces with a delay between them (0 is loopback). Every figure is the median of its rounds; the
programs take turns within a round. Ours commit durably (storage.sync: full) unless a row says otherwise, the others do not sync. The
floor is one round trip, the bytes at the rate that one TCP connection reaches over the link in this run, and the time that this disk takes
to sync as many files. Without root only the figures without delay are taken. "ours" is the classic dialect, to which the ratios and the
processor's seconds belong; "ours, HTTPS" is the same agent and server over TLS and HTTP/2, on a connection that stands.
"""

import argparse
import datetime
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import chart
import peers
from link import Link, Loopback, why_not
from ours import UID, Agent, Server, fetch, upload
from pictures import write_pictures

SECONDS_MAX = 60
KIB, MIB = 1024, 1024 * 1024
OURS = ["ours", "ours, HTTPS"]
COLUMNS = [*OURS, "floor", "curl", "curl -Z", "curl -Z, HTTP/2 and TLS", "rsync"]


class Row:
    def __init__(self, title, count, size, direction):
        self.title, self.count, self.size, self.direction = title, count, size, direction


ROWS = [
    Row("200 x 20 KiB down", 200, 20 * KIB, "down"),
    Row("1,000 x 20 KiB down", 1000, 20 * KIB, "down"),
    Row("1 x 2 MiB down", 1, 2 * MIB, "down"),
    Row("200 x 1,900 bytes down", 200, 1900, "down"),
    Row("200 x 20 KiB up", 200, 20 * KIB, "up"),
    Row("1 x 2 MiB up", 1, 2 * MIB, "up"),
]


def say(text=""):
    print(text, flush=True)


def bulk_rate(link):
    """Bytes a second of one TCP connection over the link, slow start over."""
    size = 32 * MIB
    serve = (
        "import socket; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1);"
        f"s.bind(('{link.address}', 0)); s.listen(1); print(s.getsockname()[1], flush=True); c, _ = s.accept();"
        f"b = b'x' * {MIB}\nfor _ in range({2 * size // MIB}): c.sendall(b)"
    )
    server = subprocess.Popen([*link.far, "python3", "-c", serve], stdout=subprocess.PIPE, text=True)
    port = int(server.stdout.readline())
    read = f"""
import socket, time
s = socket.create_connection(('{link.address}', {port})); n = 0
while n < {size}: n += len(s.recv(1 << 20))
begun = time.monotonic(); n = 0
while True:
    data = s.recv(1 << 20)
    if not data: break
    n += len(data)
print(n / (time.monotonic() - begun))
"""
    rate = subprocess.run([*link.near, "python3", "-c", read], check=True, capture_output=True, text=True).stdout
    server.wait()
    return float(rate)


def sync_seconds(place, count, size):
    """How long this disk takes to write and sync so many files, eight at a time, and the folder once."""
    folder = tempfile.mkdtemp(dir=place)
    data = os.urandom(size)

    def write(numbers):
        for number in numbers:
            with open(os.path.join(folder, str(number)), "wb") as file:
                file.write(data)
                file.flush()
                os.fdatasync(file.fileno())

    begun = time.monotonic()
    threads = [threading.Thread(target=write, args=(range(first, count, 8),)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    return time.monotonic() - begun


class Stage:
    """One link with all servers on its far side."""

    def __init__(self, programs, place, link, sync, chunk_bytes):
        self.programs, self.place, self.link, self.sync = programs, place, link, sync
        self.running = []
        self.made = 0
        self.server = self._run(Server(programs, self._folder("server"), link, sync, chunk_bytes))
        # By column.
        self.agents = {}
        self.nginx = self.rsync = None

    def add_peers(self):
        self.nginx = self._run(peers.Nginx(self._folder("nginx"), self.link))
        self.rsync = self._run(peers.Rsync(self._folder("rsync"), self.link, self.nginx.files))

    def _run(self, program):
        self.running.append(program)
        return program

    def _folder(self, name):
        path = os.path.join(self.place, name)
        os.makedirs(path)
        return path

    def fresh_agent(self):
        for agent in self.agents.values():
            agent.stop()
            self.running.remove(agent)
        self.made += 1
        for column in OURS:
            folder = os.path.join(self.place, f"agent-{self.made}-{OURS.index(column)}")
            self.agents[column] = self._run(
                Agent(self.programs, folder, self.link, self.server, self.sync, column != OURS[0])
            )

    def ours(self, column, row, number):
        """One round of ours: the seconds, and the seconds of the processor that agent and server took."""
        agent, mark = self.agents[column], f"{self.made}-{OURS.index(column)}-{number}"
        names = [f"{mark}-{index}.png" for index in range(row.count)]
        before = agent.processor_seconds + self.server.processor_seconds
        if row.direction == "down":
            write_pictures(self.server.folder, names, row.size)
            took = fetch(agent, names, SECONDS_MAX)
        else:
            folder = os.path.join(self.place, f"cut-{mark}")
            write_pictures(folder, names, row.size)
            took = upload(agent, folder, names, SECONDS_MAX)
        return took, agent.processor_seconds + self.server.processor_seconds - before

    def peer(self, column, row):
        names = [f"{index}.png" for index in range(row.count)]
        source = f"set-{row.count}-{row.size}"
        folder = os.path.join(self.nginx.files, source)
        if not os.path.isdir(folder):
            write_pictures(folder, names, row.size)
        if row.direction == "up":
            source = folder
        if column == "rsync":
            return self.rsync.transfer(row.direction, source, names)
        how = {"curl": "serial", "curl -Z": "parallel"}.get(column, "http2")
        return self.nginx.transfer(how, row.direction, source, names)

    def chunks_a_second(self, clients, direction, seconds=5):
        """What so many clients get done together that wait for the answer to each chunk."""
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stop_and_wait.py")
        command = [*self.link.near, "python3", "-B", script, self.link.address, str(self.server.port), str(UID)]
        command += [self.server.token, str(clients), str(seconds), direction]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def one_by_one(self, count):
        """The seconds of so many fetches of a picture each, one after the other on a connection that stands; sorted."""
        names = [f"single-{self.made}-{index}.png" for index in range(count)]
        write_pictures(self.server.folder, names, 20 * KIB)
        return sorted(fetch(self.agents[OURS[0]], [name], SECONDS_MAX) for name in names)

    def close(self):
        for program in reversed(self.running):
            program.stop()


def measure(stage, row, rounds, rate):
    """The row's figures by column, in seconds, and the processor's seconds of ours."""
    seconds = {column: [] for column in COLUMNS}
    processor = []
    stage.fresh_agent()
    for number in range(rounds):
        order = COLUMNS[number % len(COLUMNS) :] + COLUMNS[: number % len(COLUMNS)]
        for column in order:
            is_slow = seconds[column] and max(seconds[column]) > SECONDS_MAX / 4
            if column == "floor" or is_slow or (column == "curl" and row.count > 200):
                continue
            try:
                if column in OURS:
                    took, used = stage.ours(column, row, number)
                    if column == OURS[0]:
                        processor.append(used)
                else:
                    took = stage.peer(column, row)
                seconds[column].append(took)
            except (TimeoutError, OSError):
                seconds[column].append(float("inf"))
                if column in OURS:
                    stage.fresh_agent()
    figures = {column: statistics.median(values) for column, values in seconds.items() if values}
    sync = sync_seconds(stage.place, row.count, row.size)
    figures["floor"] = stage.link.round_trip / 1000 + row.count * row.size / rate + sync
    return figures, statistics.median(processor) if processor else None


def more_figures(stage, is_quick):
    """What has no peer: old clients, and one picture at a time."""
    lines = []
    for clients in (1, 50):
        for direction in ("down", "up"):
            rate = stage.chunks_a_second(clients, direction, 2 if is_quick else 5)
            possible = f" of {clients * 1000 / stage.link.round_trip:,.0f} possible" if stage.link.round_trip else ""
            lines.append(f"- {clients} stop-and-wait client(s) {direction}: {rate:,.0f}{possible} chunks a second")
    stage.fresh_agent()
    times = stage.one_by_one(50 if is_quick else 200)
    middle, late = times[len(times) // 2], times[len(times) * 99 // 100]
    lines.append(f"- one `Fetch` of 20 KiB: p50 {middle * 1000:.1f} ms, p99 {late * 1000:.1f} ms")
    return lines


def words(seconds):
    if seconds is None:
        return ""
    return f"over {SECONDS_MAX}" if seconds == float("inf") else f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}"


def ratio(figures, column):
    return f"{figures['ours'] / figures[column]:.2f}" if column in figures and "ours" in figures else ""


def table(results):
    lines = [
        "| | " + " | ".join(COLUMNS) + " | to `curl -Z` | to rsync | to the floor | processor |",
        "|" + "---|" * (len(COLUMNS) + 5),
    ]
    for row, figures, processor in results:
        cells = [words(figures.get(column)) for column in COLUMNS]
        ratios = [ratio(figures, column) for column in ("curl -Z", "rsync", "floor")]
        used = f"{processor:.2f}" if processor is not None else ""
        lines.append(f"| {row.title} | " + " | ".join(cells + ratios + [used]) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, help="the folder of release builds")
    parser.add_argument("--round-trips", default="0,20,100", help="in milliseconds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", default="", help="only rows whose title has this text; 'more' for what has no peer")
    parser.add_argument("--sync", default="full", choices=["full", "none"], help="storage.sync of ours")
    parser.add_argument("--chunk-bytes", type=int, default=2048, help="classic.chunkBytes of the server")
    parser.add_argument("--out", help="write the table and plots into this folder")
    options = parser.parse_args()
    lacking = peers.missing()
    if lacking:
        say(f"distance: {', '.join(lacking)} is missing: scripts/setup.sh bench installs it")
        return 1
    reason = why_not()
    parts = []
    # Everything is deleted at the end: see peers.py.
    with tempfile.TemporaryDirectory(prefix="avatard-distance-") as place:
        for round_trip in (float(text) for text in options.round_trips.split(",")):
            title = f"{round_trip:g} ms round trip" if round_trip else "Without delay"
            if round_trip and reason:
                say(f"{title}: not measured: {reason}")
                continue
            parts.append(part(options, os.path.join(place, f"{round_trip:g}"), title, round_trip, options.sync))
            if not round_trip and options.sync == "full":
                # Without a network what is left is the disk's: the same without its syncs stands beside it.
                place_without = os.path.join(place, "without-syncs")
                parts.append(part(options, place_without, "Without delay and syncs", 0, "none"))
    if options.out:
        os.makedirs(options.out, exist_ok=True)
        write_report(options, parts)
    return 0


def part(options, place, title, round_trip, sync):
    """Measures at one distance: the part of the report, its title and its rows."""
    os.makedirs(place)
    link = Link(os.path.join(options.programs, "delay-link"), round_trip) if round_trip else Loopback()
    stage = None
    try:
        rate = bulk_rate(link)
        stage = Stage(options.programs, place, link, sync, options.chunk_bytes)
        stage.add_peers()
        head = f"## {title}\n\nBulk rate {rate / MIB:.0f} MiB/s, `storage.sync: {sync}`.\n"
        say("\n" + head)
        results = []
        for row in ROWS:
            if options.rows in row.title:
                figures, processor = measure(stage, row, options.rounds, rate)
                results.append((row, figures, processor))
                say(table(results[-1:]).splitlines()[-1])
        more = more_figures(stage, options.rounds == 1) if options.rows in ("", "more") else []
        say("\n".join(["", *more]))
        return f"{head}\n{table(results)}\n\n" + "\n".join(more) + "\n", title, results
    finally:
        if stage:
            stage.close()
        link.close()


def write_report(options, parts):
    images = []
    for _, title, results in parts:
        name = f"distance-{title.lower().replace(' ', '-')}.svg"
        with open(os.path.join(options.out, name), "w") as file:
            file.write(chart.bars(title, [(row.title, figures) for row, figures, _ in results], COLUMNS))
        images.append(f"![{title}: seconds by program]({name})\n")
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.release().split('-')[0]}"
    with open(os.path.join(options.out, "distance.md"), "w") as file:
        file.write(
            f"# At a distance\n\nMade by `make bench` on {datetime.date.today()} ({machine}). {__doc__.split(chr(10), 2)[2].strip()}\n\n"
            "Seconds, medians; the ratios are ours to the others; the last column is the processor's seconds of agent and server.\n\n"
            + "\n".join(f"{text}\n{image}" for (text, _, _), image in zip(parts, images))
        )


if __name__ == "__main__":
    sys.exit(main())
