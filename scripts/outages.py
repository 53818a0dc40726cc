#!/usr/bin/env python3
"""Makes real outages of a real server, saves a crop around each, and measures how long after the server's return the crop is up.

    scripts/outages.py --programs .build/debug --outages 200 --lanes 20 --out outages.tsv

Each lane has an avatard, an avatar-server and a relay between them, all on the loopback, in a temporary folder. An outage is one of

    killed    the server is killed with SIGKILL and its port refuses; another process of it is started at the end
    stopped   the server is stopped with SIGSTOP, so that the kernel accepts connections and nobody answers; SIGCONT at the end
    refused   the relay closes its port and every connection
    mute      the relay accepts, reads and never answers; the connections of that time stay mute after the end
    reset     the relay resets every connection

and lasts between --shortest and --longest seconds. A crop is saved a moment before the outage, somewhere in it, or at its end. What is
measured is the time from the outage's end (or from the save, when that came later) until the server has the crop as the user's icon and
the agent says so. The table that is printed is what docs/performance.md shows.
"""

import argparse
import asyncio
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import sqlite3
import statistics
import struct
import sys
import tempfile
import time
import zlib

KINDS = ("killed", "stopped", "refused", "mute", "reset")
MOMENTS = ("before", "during", "at the end")


def picture(rng):
    """A PNG of random pixels: a few dozen chunks, and never the bytes of another."""
    side = rng.randrange(60, 160)
    rows = b"".join(b"\0" + rng.randbytes(3 * side) for _ in range(side))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


class Relay:
    """What lies between agent and server, and fails in the ways of a network."""

    def __init__(self):
        self.target = 0
        self.mode = "open"
        self.port = 0
        self.listener = None
        # The agent's connections; those that were open in a mute time lost bytes and stay mute.
        self.clients = set()
        self.muted = set()

    async def listen(self):
        self.listener = await asyncio.start_server(self.serve, "127.0.0.1", self.port, reuse_address=True)
        self.port = self.listener.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        if self.mode == "reset":
            return self.reset(writer)
        self.clients.add(writer)
        if self.mode == "mute":
            self.muted.add(writer)
        server = None
        try:
            server_reader, server = await asyncio.open_connection("127.0.0.1", self.target)
            await asyncio.gather(self.pump(reader, server, writer), self.pump(server_reader, writer, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self.clients.discard(writer)
            self.muted.discard(writer)
            writer.close()
            if server:
                server.close()

    async def pump(self, reader, writer, client):
        try:
            while data := await reader.read(65536):
                if client not in self.muted:
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass
        finally:
            # A mute connection hides the server's end from the agent as well.
            if client not in self.muted or writer is not client:
                writer.close()

    @staticmethod
    def reset(writer):
        plug = writer.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def fail(self, kind):
        if kind == "mute":
            self.mode = kind
            self.muted |= self.clients
        elif kind == "reset":
            self.mode = kind
            for writer in list(self.clients):
                self.reset(writer)
        elif kind in ("refused", "killed"):
            self.listener.close()
            for writer in list(self.clients):
                writer.transport.abort()

    async def mend(self, kind):
        self.mode = "open"
        if kind in ("refused", "killed"):
            await self.listen()


class Lane:
    def __init__(self, number, root, programs, seed):
        self.number, self.programs = number, programs
        self.rng = random.Random(seed * 1000 + number)
        self.home = root / f"lane-{number}"
        self.home.mkdir()
        self.relay = Relay()
        self.crops = self.home / "crops"
        self.bus = str(self.home / "s")
        self.server = self.agent = None
        self.count = 0

    async def run(self, program, *arguments, **options):
        with open(self.home / f"{program}.log", "ab") as log:
            return await asyncio.create_subprocess_exec(
                str(self.programs / program), *map(str, arguments), stdout=log, stderr=log,
                env={"HOME": str(self.home), "PATH": os.environ["PATH"]}, **options)

    @property
    def stores(self):
        return ["--storage-root", self.home / "srv", "--stores-sqlite-file", self.home / "srv.sqlite"]

    async def serve(self):
        ready = self.home / "port"
        ready.unlink(missing_ok=True)
        self.server = await self.run(
            "avatar-server", "serve", "--listen-host", "127.0.0.1", "--listen-port", 0, "--port-file", ready, *self.stores)
        while not (ready.exists() and ready.read_text().strip()):
            await asyncio.sleep(0.02)
        self.relay.target = int(ready.read_text())

    async def begin(self):
        (self.home / "srv").mkdir()
        token = self.home / "token"
        token.write_text("token-of-a-lane\n")
        token.chmod(0o600)
        await (await self.run("avatar-server", "user", "add", "--uid", 7, "--token-file", token, *self.stores)).wait()
        await self.serve()
        await self.relay.listen()
        self.crops.mkdir()
        self.agent = await self.run(
            "avatard", "--server-host", "127.0.0.1", "--server-port", self.relay.port, "--identity-uid", 7,
            "--identity-token-file", token, "--cache-directory", self.home / "cache", "--upload-directory", self.crops,
            "--state-directory", self.home / "state", "--bus-socket", self.bus, "--log-level", "debug")
        await self.save_and_wait()

    def save(self):
        self.count += 1
        name = f"crop-{self.count % 3}.png"
        data = picture(self.rng)
        (self.home / "new").write_bytes(data)
        os.rename(self.home / "new", self.crops / name)
        return name, data

    def is_up(self, name, data):
        """Whether the server has the crop, and has it as the icon."""
        try:
            if (self.home / "srv" / "7" / name).read_bytes() != data:
                return False
            with sqlite3.connect(f"file:{self.home}/srv.sqlite?mode=ro", uri=True, timeout=1) as database:
                return database.execute("SELECT icon FROM user WHERE uid = 7").fetchone() == (name,)
        except (OSError, sqlite3.Error):
            return False

    def status(self):
        with socket.socket(socket.AF_UNIX) as bus:
            bus.settimeout(5)
            bus.connect(self.bus)
            bus.sendall(b'{"method":"org.avatard.Agent.Status"}\0')
            answer = b""
            while not answer.endswith(b"\0"):
                answer += bus.recv(65536)
        return json.loads(answer[:-1])["parameters"]

    async def until_up(self, name, data, limit=300):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if self.is_up(name, data):
                while time.monotonic() < end:
                    status = await asyncio.to_thread(self.status)
                    if status["uploads"] == 0 and (status.get("icon") or {}).get("name") == name:
                        return True
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.05)
        return False

    async def save_and_wait(self):
        name, data = self.save()
        if not await self.until_up(name, data, 60):
            raise RuntimeError(f"lane {self.number}: a crop does not go up without any outage")

    async def outage(self, kind, length, moment):
        name = data = saved = None
        if moment == "before":
            name, data = self.save()
            saved = time.monotonic()
            await asyncio.sleep(self.rng.choice((0.0, 0.005, 0.02, 0.05)))
        begun = time.monotonic()
        await self.relay.fail(kind)
        if kind == "killed":
            self.server.kill()
            await self.server.wait()
        if kind == "stopped":
            self.server.send_signal(signal.SIGSTOP)
        end = begun + length
        if moment == "during":
            await asyncio.sleep(self.rng.uniform(0, length))
            name, data = self.save()
            saved = time.monotonic()
        await asyncio.sleep(max(0, end - time.monotonic() - (0.3 if moment == "at the end" else 0)))
        if moment == "at the end":
            name, data = self.save()
            saved = time.monotonic()
            await asyncio.sleep(max(0, end - time.monotonic()))
        if kind == "killed":
            await self.serve()
        if kind == "stopped":
            self.server.send_signal(signal.SIGCONT)
        await self.relay.mend(kind)
        returned = time.monotonic()
        is_up = await self.until_up(name, data)
        took = time.monotonic() - max(returned, saved)
        if not is_up:
            print(json.dumps(await asyncio.to_thread(self.status)), file=sys.stderr, flush=True)
        return took if is_up else None

    def end(self):
        for process in (self.agent, self.server):
            if process and process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.kill()


async def work(lane, plan, results, out):
    await lane.begin()
    while plan:
        kind, length, moment = plan.pop()
        began = time.time()
        took = await lane.outage(kind, length, moment)
        results.append((kind, length, moment, took))
        row = (lane.number, f"{began:.1f}", kind, f"{length:.1f}", moment, "LOST" if took is None else f"{took:.2f}")
        print(*row, sep="\t", file=out, flush=True)
        if took is None or took > 60:
            print(f"late: {row}", file=sys.stderr, flush=True)


def tell(results):
    def line(what, times):
        times = sorted(times)
        if times:
            cut = [times[min(len(times) - 1, int(len(times) * part))] for part in (0.5, 0.9, 0.99)]
            print(f"| {what} | {len(times)} | " + " | ".join(f"{value:.1f}" for value in (*cut, times[-1])) + " |")

    print("| | outages | median | 90 % | 99 % | longest |\n|---|---|---|---|---|---|")
    for kind in KINDS:
        line(kind, [took for what, _, _, took in results if what == kind and took is not None])
    for low, high in ((0, 5), (5, 20), (20, 60), (60, 121)):
        line(f"{low} to {min(high, 120)} s long",
             [took for _, length, _, took in results if low <= length < high and took is not None])
    line("all", [took for *_, took in results if took is not None])
    print(f"lost: {sum(took is None for *_, took in results)}")


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=pathlib.Path, required=True, help="the folder with avatard and avatar-server")
    parser.add_argument("--outages", type=int, default=200)
    parser.add_argument("--lanes", type=int, default=20)
    parser.add_argument("--shortest", type=float, default=1)
    parser.add_argument("--longest", type=float, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--keep", action="store_true", help="leave the folder with the logs")
    parser.add_argument("--out", default="/dev/stdout", help="where a line for each outage goes")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    kinds = options.kinds.split(",")
    plan = [(kinds[n % len(kinds)], rng.uniform(options.shortest, options.longest), MOMENTS[n // len(kinds) % 3])
            for n in range(options.outages)]
    rng.shuffle(plan)
    root = pathlib.Path(tempfile.mkdtemp(prefix="outages-"))
    lanes = [Lane(n, root, options.programs.resolve(), options.seed) for n in range(options.lanes)]
    results = []
    try:
        with open(options.out, "a") as out:
            ended = await asyncio.gather(*(work(lane, plan, results, out) for lane in lanes), return_exceptions=True)
    finally:
        for lane in lanes:
            lane.end()
        if options.keep:
            print(f"logs: {root}", file=sys.stderr)
        else:
            shutil.rmtree(root, ignore_errors=True)
    for error in ended:
        if error:
            print(f"a lane ended: {error!r}", file=sys.stderr)
    tell(results)
    return 1 if any(took is None for *_, took in results) or any(ended) else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
