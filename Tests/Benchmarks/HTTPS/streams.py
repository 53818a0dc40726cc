"""Idle streams of changes over TLS and HTTP/1.1, and one change that is told to all of them.

Memory is the server's VmRSS less that before, for each stream. Seconds are from the beginning of the upload until the last stream has heard.
"""

import asyncio
import os
import resource
import ssl
import time

from pictures import picture
from stage import Front, authorization, token

PER_USER = 16  # Limits.Changes.streamsPerUserMax


async def follow(port, context, login, ready, heard, gate):
    async with gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=4096)
        writer.write(
            f"GET /v1/changes?user=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: {login}\r\n\r\n".encode())
        while b"event: ready" not in (line := await reader.readline()):
            if not line:
                raise RuntimeError("a stream ended before it was ready")
    ready()
    while b"event: avatar" not in (line := await reader.readline()):
        if not line:
            raise RuntimeError("a stream ended before it had heard")
    heard()
    return writer


async def hold(fronts, streams, file):
    """Opens so many streams, divided among servers on the same stores, and makes one change: KiB for each, seconds until all have heard,
    processor seconds of the servers."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    counts, event = {"ready": 0, "heard": 0}, asyncio.Event()

    def count(name):
        counts[name] += 1
        if counts[name] == streams:
            event.set()

    def memory():
        return sum(front.memory for front in fronts)

    def processor():
        return sum(front.processor_seconds for front in fronts)

    before, gate = memory(), asyncio.Semaphore(50)
    tasks = [
        asyncio.create_task(
            follow(
                fronts[index % len(fronts)].port, context, authorization(2 + index // PER_USER), lambda: count("ready"),
                lambda: count("heard"), gate))
        for index in range(streams)]
    # One that fails ends the benchmark.
    failing = asyncio.gather(*tasks)

    async def all_are(seconds):
        waiting = asyncio.create_task(event.wait())
        await asyncio.wait([waiting, failing], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if failing.done():
            failing.result()
        if not event.is_set():
            raise TimeoutError(f"{counts} of {streams} streams after {seconds} s")
        event.clear()

    await all_are(300)
    each, used, begun = (memory() - before) / streams, processor(), time.monotonic()
    put = await asyncio.create_subprocess_exec(
        "curl", "-skf", "-u", f"1:{token(1)}", "-T", file, f"{fronts[0].url}/v1/users/1/avatars/a.png")
    await all_are(60)
    seconds = time.monotonic() - begun
    await put.wait()
    used = processor() - used
    for writer in await failing:
        writer.transport.abort()
    return each, seconds, used


def measure(programs, place, is_quick):
    streams = 1000 if is_quick else 10_000
    # Some descriptors are the client's others; the server keeps most of its own for the classic dialect.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if most < 2 * streams:
        streams, note = most // 2, f" The limit of {most:,} descriptors allows no more."
    else:
        note = ""
    front = Front(programs, os.path.join(place, "server"), streams // PER_USER + 2)
    file = os.path.join(place, "a.png")
    with open(file, "wb") as out:
        out.write(picture(20 * 1024))
    try:
        each, seconds, used = asyncio.run(hold([front], streams, file))
    finally:
        front.stop()
    return [
        f"{streams:,} streams: {each:.1f} KiB each; the last one has heard after {seconds:.2f} s, for {used:.2f} s of the server's "
        f"processor.{note}"]
