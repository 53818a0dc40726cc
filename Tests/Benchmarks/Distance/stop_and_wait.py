"""Old clients: each sends a chunk, or asks for one, when the last one is answered. Prints the chunks of all clients in a second.

usage: stop_and_wait.py ADDRESS PORT UID TOKEN CLIENTS SECONDS down|up
"""

import asyncio
import base64
import hashlib
import json
import struct
import sys
import time

CHUNK = 2048
CHUNKS = 10


async def ask(streams, message, body):
    reader, writer = streams
    data = json.dumps(body).encode()
    writer.write(struct.pack(">HI", message, len(data)) + data)
    head = await reader.readexactly(6)
    reply = json.loads(await reader.readexactly(struct.unpack(">HI", head)[1]))
    if reply.get("error") != 0:
        raise RuntimeError(f"refused: {reply}")
    return reply


async def upload(streams, uid, token, name, until):
    chunks = 0
    while time.monotonic() < until:
        content = f"{name} {chunks}".encode().ljust(CHUNK * CHUNKS, b".")
        digest = hashlib.md5(content).hexdigest()
        for seq in range(1, CHUNKS + 1):
            body = {
                "md5": digest, "name": name, "seq": seq, "total_size": len(content), "trans_size": seq * CHUNK,
                "last": int(seq == CHUNKS), "last_seq": CHUNKS, "uid": uid,
                "data": base64.b64encode(content[(seq - 1) * CHUNK : seq * CHUNK]).decode(),
            }
            if seq == 1:
                body["token"] = token
            await ask(streams, 1031, body)
            chunks += 1
    return chunks


async def download(streams, uid, token, name, until):
    chunks = seq = 0
    while time.monotonic() < until or seq > 0:
        seq += 1
        body = {
            "name": name, "seq": seq, "token": token, "trans_size": 0, "total_size": 0, "client_path": name, "uid": uid,
        }
        reply = await ask(streams, 1033, body)
        chunks += 1
        if reply["is_last"]:
            seq = 0
    return chunks


async def main():
    address, port, uid, token, clients, seconds, direction = sys.argv[1:]
    streams = [await asyncio.open_connection(address, int(port)) for _ in range(int(clients))]
    names = [f"wait-{number}.png" for number in range(len(streams))]
    one = upload if direction == "up" else download
    if direction == "down":
        await asyncio.gather(*(upload(s, int(uid), token, n, time.monotonic() + 0.1) for s, n in zip(streams, names)))
    begun = time.monotonic()
    until = begun + float(seconds)  # every file that was begun is brought to its end
    counts = await asyncio.gather(*(one(s, int(uid), token, n, until) for s, n in zip(streams, names)))
    print(sum(counts) / (time.monotonic() - begun))


asyncio.run(main())
