"""Fetches pictures side by side as the seed's Qt client does, and loses its place as that client does.

usage: late_reader.py PORT UID TOKEN ROUNDS quiet|still NAME...

Each round is a connection of its own. A picture's next chunk is asked for when the last one was read; the first chunks are asked for a
little apart, between reads. The receive loop is that of the seed's `FileTcpMgr`: each read takes all that the kernel has, and the stream
is not set back when the buffer is cut, so a second message in one read is looked for six bytes too far. With "still" a child process
stops and continues this one all the time: 80 ms stopped, 70 ms running.

Prints the seconds of each round. Exit status 3: the client lost its place; 4: a picture did not come in time.
"""

import base64
import json
import os
import random
import select
import signal
import socket
import struct
import sys
import time

PICTURE_SECONDS_MAX = 30


class LostItsPlace(Exception):
    pass


class Client:
    def __init__(self, port, uid, token):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.uid, self.token = uid, token
        self.buffer = b""
        self.pending = None
        self.pictures = {}
        self.done = set()

    def ask(self, name, seq):
        body = json.dumps(
            {
                "client_path": "/nowhere/" + name,
                "name": name,
                "seq": seq,
                "token": self.token,
                "total_size": 0,
                "trans_size": 0,
                "uid": self.uid,
            },
            indent=4,
        ).encode()
        self.socket.sendall(struct.pack(">HI", 1033, len(body)) + body)

    def ready_read(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError("closed")
        self.buffer += data
        stream = 0
        while True:
            if self.pending is None:
                if len(self.buffer) < 6:
                    return
                if len(self.buffer) < stream + 6:
                    raise LostItsPlace()
                message, length = struct.unpack(">HI", self.buffer[stream : stream + 6])
                stream += 6
                self.pending = length
                self.buffer = self.buffer[6:]
            if len(self.buffer) < self.pending:
                return
            body, self.buffer = self.buffer[: self.pending], self.buffer[self.pending :]
            self.pending = None
            try:
                reply = json.loads(body)
            except ValueError:
                raise LostItsPlace()
            self.take(reply)

    def take(self, reply):
        if reply.get("error") != 0:
            raise ConnectionError(f"refused: {reply}")
        name = reply["name"]
        self.pictures[name] = self.pictures.get(name, b"") + base64.b64decode(reply["data"])
        if reply["is_last"]:
            self.done.add(name)
        else:
            self.ask(name, reply["seq"] + 1)

    def fetch(self, names, pause):
        waiting = list(names)
        until = time.monotonic() + PICTURE_SECONDS_MAX
        while len(self.done) < len(names):
            if time.monotonic() > until:
                raise TimeoutError(f"{len(self.done)} of {len(names)} pictures came")
            if waiting:
                self.ask(waiting.pop(0), 1)
            if select.select([self.socket], [], [], pause() if waiting else 1)[0]:
                self.ready_read()
        return self.pictures


def hold_still(parent):
    try:
        while os.getppid() == parent:
            os.kill(parent, signal.SIGSTOP)
            time.sleep(0.08)
            os.kill(parent, signal.SIGCONT)
            time.sleep(0.07)
    finally:
        os._exit(0)


def main():
    port, uid, token, rounds, how, *names = sys.argv[1:]
    chance = random.Random(1)
    child = None
    if how == "still":
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            hold_still(parent)
    try:
        for _ in range(int(rounds)):
            begun = time.monotonic()
            client = Client(int(port), int(uid), token)
            pictures = client.fetch(names, lambda: chance.random() * 0.002)
            for name in names:
                if pictures[name] != pictures[names[0]]:
                    raise LostItsPlace()
            client.socket.close()
            print(f"{time.monotonic() - begun:.3f}", flush=True)
    except LostItsPlace:
        print("lost its place", flush=True)
        return 3
    except TimeoutError as error:
        print(error, flush=True)
        return 4
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.kill(os.getpid(), signal.SIGCONT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
