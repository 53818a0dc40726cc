"""Holds idle streams of changes over TLS, and measures what they cost the server and how soon all of them hear of one change.

    streams.py PROGRAM [STREAMS]

PROGRAM is avatar-server. It runs over a temporary folder with a certificate made for it. Prints one line of JSON:
streams, the server's memory for each (VmRSS less that before, in KiB), seconds until the last one has heard, and
processor seconds of the server for that change.
"""

import asyncio
import base64
import json
import os
import resource
import ssl
import subprocess
import sys
import tempfile
import time

PER_USER = 16  # Limits.Changes.streamsPerUserMax


def memory(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def processor(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def follow(port, context, login, ready, heard, gate):
    async with gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=4096)
        writer.write(
            f"GET /v1/changes?user=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {login}\r\n\r\n".encode())
        while b"event: ready" not in await reader.readline():
            pass
    ready()
    while b"event: avatar" not in await reader.readline():
        pass
    heard()
    return writer


def serve(program, folder, streams):
    def path(name):
        return os.path.join(folder, name)

    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
         path("key.pem"), "-out", path("cert.pem"), "-days", "2", "-subj", "/CN=localhost"],
        check=True, stderr=subprocess.DEVNULL)
    storage = ["--storage-root", path("files"), "--stores-sqlite-file", path("db.sqlite"), "--storage-sync", "none"]
    tokens = {}
    for user in range(1, streams // PER_USER + 3):
        added = subprocess.run([program, "user", "add", str(user)] + storage, check=True, capture_output=True, text=True)
        tokens[user] = added.stdout.strip()
    reading, writing = os.pipe()
    server = subprocess.Popen(
        [program, "serve", "--ready-fd", str(writing), "--listen-port", "0", "--http-listen-port", "0", "--http-port-file",
         path("port"), "--http-tls-certificate-file", path("cert.pem"), "--http-tls-key-file", path("key.pem")] + storage,
        pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    os.read(reading, 100)
    with open(path("port")) as file:
        return server, int(file.read()), tokens


async def measure(server, port, tokens, streams, picture):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    counts, event = {"ready": 0, "heard": 0}, asyncio.Event()

    def count(name):
        counts[name] += 1
        if counts[name] == streams:
            event.set()

    before, gate = memory(server.pid), asyncio.Semaphore(50)
    tasks = []
    for index in range(streams):
        user = 2 + index // PER_USER
        login = base64.b64encode(f"{user}:{tokens[user]}".encode()).decode()
        tasks.append(asyncio.create_task(
            follow(port, context, login, lambda: count("ready"), lambda: count("heard"), gate)))
    await event.wait()
    event.clear()
    each, used, begun = (memory(server.pid) - before) / streams, processor(server.pid), time.monotonic()
    put = await asyncio.create_subprocess_exec(
        "curl", "-skf", "-u", f"1:{tokens[1]}", "-T", picture, f"https://127.0.0.1:{port}/v1/users/1/avatars/a.png")
    await event.wait()
    seconds = time.monotonic() - begun
    await put.wait()
    used = processor(server.pid) - used
    print(json.dumps({
        "streams": streams, "KiB each": round(each, 1), "seconds until all know": round(seconds, 2),
        "processor seconds": round(used, 2)}))
    for task in tasks:
        (await task).transport.abort()


def main():
    program, streams = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    picture = os.path.join(os.path.dirname(__file__), "../../Support/Fixtures/pictures")
    picture = sorted(entry.path for entry in os.scandir(picture) if entry.name.endswith(".png"))[0]
    with tempfile.TemporaryDirectory() as folder:
        server, port, tokens = serve(program, folder, streams)
        try:
            asyncio.run(measure(server, port, tokens, streams, picture))
        finally:
            server.terminate()
            server.wait()


main()
