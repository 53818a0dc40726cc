#!/usr/bin/env python3
"""What one and three instances of avatar-server do on one Redis, one MariaDB and one shared folder, and what each request costs each engine.

    scaling.py --programs FOLDER [--quick]

Everything runs on this machine at once, clients included, so that three instances are no faster than one where the processor is the limit. What
says how far each engine goes is its processor time for each request. MariaDB and Redis sync as they do by default (innodb_flush_log_at_trx_commit 1,
appendfsync everysec), the files are not synced. Clients are wrk over TLS and HTTP/1.1, 20 KiB for each picture.
"""

import argparse
import asyncio
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../Distance"))

import streams  # noqa: E402
from ours import Program  # noqa: E402
from pictures import picture  # noqa: E402
from stage import Front, authorization, token  # noqa: E402

USERS, BYTES = 1000, 20 * 1024
HERE = os.path.dirname(os.path.abspath(__file__))
SCHEMA = """
CREATE DATABASE bench CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
CREATE TABLE bench.user (
    id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, uid INT NOT NULL DEFAULT 0, name VARCHAR(255) NOT NULL DEFAULT '',
    email VARCHAR(255) NOT NULL DEFAULT '', pwd VARCHAR(255) NOT NULL DEFAULT '', nick VARCHAR(255) NOT NULL DEFAULT '',
    `desc` VARCHAR(255) NOT NULL DEFAULT '', sex INT NOT NULL DEFAULT 0, icon VARCHAR(255) NOT NULL DEFAULT '',
    UNIQUE KEY (uid), UNIQUE KEY (email));
"""


class Redis(Program):
    def __init__(self, folder):
        os.makedirs(folder)
        self.socket = os.path.join(folder, "redis.sock")
        super().__init__(
            ["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", folder, "--appendonly", "yes"],
            stdout=subprocess.DEVNULL)
        await_path(self.socket)
        words = "".join(f"SET utoken_{uid} {token(uid)}\n" for uid in range(1, USERS + 1))
        subprocess.run(["redis-cli", "-s", self.socket], input=words, text=True, check=True, stdout=subprocess.DEVNULL)


class MariaDB(Program):
    def __init__(self, folder):
        os.makedirs(folder)
        self.socket = os.path.join(folder, "mysql.sock")
        user = ["--user=root"] if os.geteuid() == 0 else []
        data = f"--datadir={folder}/data"
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", data, "--skip-test-db", "--skip-name-resolve", *user],
            check=True, capture_output=True)
        super().__init__(
            ["mariadbd", "--no-defaults", data, f"--socket={self.socket}", "--skip-networking", "--skip-grant-tables",
             "--max-connections=400", *user], stderr=subprocess.DEVNULL)
        await_path(self.socket)
        rows = ",".join(f"({uid}, '{uid}', '{uid}@example.org')" for uid in range(1, USERS + 1))
        subprocess.run(
            ["mariadb", "--no-defaults", f"--socket={self.socket}", "-u", "root"],
            input=f"{SCHEMA} INSERT INTO bench.user (uid, name, email) VALUES {rows};", text=True, check=True)


def await_path(path):
    until = time.monotonic() + 30
    while not os.path.exists(path):
        if time.monotonic() > until:
            raise RuntimeError(f"{path} did not appear")
        time.sleep(0.05)


class Cluster:
    """Instances on engines of their own."""

    def __init__(self, programs, place, instances):
        self.running = []
        try:
            self.redis = self._run(Redis(os.path.join(place, "redis")))
            self.mariadb = self._run(MariaDB(os.path.join(place, "mariadb")))
            stores = [
                "--stores-kind", "cluster", "--redis-socket", self.redis.socket, "--mysql-socket", self.mariadb.socket,
                "--mysql-user", "root", "--mysql-schema", "bench", "--storage-root", os.path.join(place, "files")]
            self.fronts = [
                self._run(Front(
                    programs, os.path.join(place, f"front-{number}"), USERS, stores=stores,
                    flags=["--http-public-avatars", "true"]))
                for number in range(instances)]
        except BaseException:
            self.stop()
            raise

    def _run(self, program):
        self.running.append(program)
        return program

    @property
    def processor(self):
        """Seconds so far of the servers together, Redis and MariaDB."""
        return [sum(front.processor_seconds for front in self.fronts), self.redis.processor_seconds, self.mariadb.processor_seconds]

    def stop(self):
        for program in reversed(self.running):
            program.stop()


def wrk(cluster, script, connections, seconds, environment):
    """A wrk for each instance at once: requests, seconds."""
    each = max(2, connections // len(cluster.fronts) // 2 * 2)
    runs = [
        subprocess.Popen(
            ["wrk", "-t2", f"-c{each}", f"-d{seconds}s", "-s", os.path.join(HERE, script), front.url],
            env={**os.environ, "USERS": str(USERS), **environment}, stdout=subprocess.PIPE, text=True)
        for front in cluster.fronts]
    requests, took, lates = 0, 0.0, []
    for run in runs:
        text = run.communicate()[0]
        count, _, duration, bad, late = text.splitlines()[-1].split()
        if run.returncode or int(bad):
            raise RuntimeError(f"requests failed:\n{text}")
        requests, took = requests + int(count), max(took, float(duration))
        lates.append(float(late))
    return requests, took, max(lates)


def rows(programs, place, instances, is_quick):
    """Lines of the table for so many instances."""
    logins, pictures = os.path.join(place, "logins"), os.path.join(place, "pictures")
    os.makedirs(pictures)
    with open(logins, "w") as file:
        file.write("".join(authorization(uid) + "\n" for uid in range(1, USERS + 1)))
    for number in range(64):
        with open(os.path.join(pictures, str(number)), "wb") as file:
            file.write(picture(BYTES))
    cluster = Cluster(programs, place, instances)
    lines = []
    try:
        cluster.fronts[0].put([(uid, "face.png", os.path.join(pictures, "62")) for uid in range(1, USERS + 1)])
        seconds, rounds = (2, 1) if is_quick else (5, 3)
        for title, script, connections, environment in [
            ("GET, no login", "gets.lua", 64, {}), ("GET, with a login", "gets.lua", 64, {"LOGINS": logins}),
            ("PUT of another picture", "puts.lua", 16, {"LOGINS": logins, "PICTURES": pictures}),
        ]:
            found = []
            for _ in range(rounds):
                before = cluster.processor
                requests, took, late = wrk(cluster, script, connections, seconds, environment)
                used = [(after - start) / requests * 1e6 for after, start in zip(cluster.processor, before)]
                found.append([requests / took, late, *used])
            rate, late, *used = [statistics.median(column) for column in zip(*found)]
            lines.append(
                f"| {title} | {instances} | {rate:,.0f} | {late:.0f} | " + " | ".join(f"{micros:,.0f}" for micros in used) + " |")
        lines.append(told(cluster, instances, os.path.join(pictures, "63"), 300 if is_quick else 1500))
    finally:
        cluster.stop()
    return lines


def told(cluster, instances, file, count):
    """One change that so many streams hear, divided among the instances."""
    each, seconds, used = asyncio.run(streams.hold(cluster.fronts, count, file))
    return (
        f"| {count:,} streams of {each:.0f} KiB each hear of a change in {seconds:.2f} s | {instances} | | | "
        f"{used / count * 1e6:,.0f} for each | | |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, help="the folder of release builds")
    parser.add_argument("--quick", action="store_true", help="less of everything, once")
    options = parser.parse_args()
    lacking = [program for program in ("curl", "wrk", "redis-server", "mariadbd") if not shutil.which(program)]
    if lacking:
        print(f"scaling: {', '.join(lacking)} is missing: scripts/setup.sh bench installs it")
        return 1
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print("| | instances | a second | 99 % within, ms | server, µs | Redis, µs | MariaDB, µs |\n|---|---|---|---|---|---|---|")
    for instances in (1, 3):
        # Unix sockets have short paths.
        with tempfile.TemporaryDirectory(prefix="avs-") as place:
            print("\n".join(rows(os.path.abspath(options.programs), place, instances, options.quick)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
