"""GETs a second of one server over TLS, beside nginx with the same files: 64 connections, pictures of 20 KiB.

wrk asks for 100 avatars in turn (HTTP/1.1), h2load for the same over HTTP/2. The programs take turns, medians are shown. All of them
share the machine's cores with the client. Processor is the server's own, for each GiB that it sent.
"""

import os
import re
import statistics
import subprocess

from pictures import picture
from stage import Front, Nginx, authorization

USERS, CONNECTIONS, BYTES = 100, 64, 20 * 1024
HERE = os.path.dirname(os.path.abspath(__file__))


def wrk(url, seconds, logins=None):
    environment = {**os.environ, "USERS": str(USERS)}
    if logins:
        environment["LOGINS"] = logins
    run = subprocess.run(
        ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", os.path.join(HERE, "gets.lua"), url],
        env=environment, check=True, capture_output=True, text=True)
    requests, size, took, bad, late = run.stdout.splitlines()[-1].split()
    if int(bad):
        raise RuntimeError(f"{bad} requests failed:\n{run.stdout}")
    return int(requests) / float(took), int(size), float(late)


def h2load(url, seconds, _):
    # A number of requests, since h2load does not always end when it is given a time.
    command = ["h2load", "-t2", f"-c{CONNECTIONS}", "-m1", f"-n{seconds * 2000}", *(f"{url}/v1/users/{uid}/avatar" for uid in range(1, USERS + 1))]
    for last in (False, False, True):
        try:
            run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=20)
            break
        except subprocess.TimeoutExpired:
            # h2load and nginx wait for each other for ever in one of a few runs.
            if last:
                raise
    rate = float(re.search(r", ([\d.]+) req/s", run.stdout).group(1))
    bad = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", run.stdout)
    size = int(re.search(r"traffic: .*?\((\d+)\) total", run.stdout).group(1))
    if any(int(count) for count in bad.groups()):
        raise RuntimeError(f"requests failed:\n{run.stdout}")
    return rate, size, None


def measure(programs, place, is_quick):
    front = Front(programs, os.path.join(place, "ours"), USERS, flags=["--http-public-avatars", "true"])
    files = os.path.join(place, "www")
    uploads = []
    for uid in range(1, USERS + 1):
        folder = os.path.join(files, f"v1/users/{uid}")
        os.makedirs(folder)
        with open(os.path.join(folder, "avatar"), "wb") as file:
            file.write(picture(BYTES))
        uploads.append((uid, "face.png", os.path.join(folder, "avatar")))
    front.put(uploads)
    logins = os.path.join(place, "logins")
    with open(logins, "w") as file:
        file.write("".join(authorization(uid) + "\n" for uid in range(1, USERS + 1)))
    key = os.path.join(place, "ours", "key.pem")
    nginx = Nginx(
        os.path.join(place, "nginx"),
        f"access_log off; sendfile on; tcp_nodelay on; keepalive_requests 100000000; default_type image/png; server {{"
        f"listen 127.0.0.1:@PORT@ ssl http2; ssl_certificate {front.certificate}; ssl_certificate_key {key}; root {files}; }}")
    url = f"https://127.0.0.1:{nginx.port}"
    rows = [
        ("avatar-server, HTTP/1.1", front, wrk, front.url, None), ("nginx, HTTP/1.1", nginx, wrk, url, None),
        ("avatar-server, HTTP/1.1, with a login each", front, wrk, front.url, logins),
        ("avatar-server, HTTP/2", front, h2load, front.url, None), ("nginx, HTTP/2", nginx, h2load, url, None),
    ]
    rounds, seconds = (1, 2) if is_quick else (5, 4)
    found = {title: [] for title, *_ in rows}
    try:
        for _ in range(rounds):
            for title, program, client, address, login in rows:
                before = program.processor_seconds
                rate, size, late = client(address, seconds, login)
                found[title].append((rate, (program.processor_seconds - before) / (size / 2**30), late))
    finally:
        nginx.stop()
        front.stop()
    lines = ["| | GETs a second | to nginx | processor seconds for each GiB | 99 % within, ms |", "|---|---|---|---|---|"]
    middle = {title: [statistics.median(column) if column[0] is not None else None for column in zip(*runs)] for title, runs in found.items()}
    for title, (rate, processor, late) in middle.items():
        peer = middle["nginx, HTTP/2" if "HTTP/2" in title else "nginx, HTTP/1.1"][0]
        lines.append(
            f"| {title} | {rate:,.0f} | {rate / peer:.2f} | {processor:.1f} | {'' if late is None else f'{late:.1f}'} |")
    return lines
