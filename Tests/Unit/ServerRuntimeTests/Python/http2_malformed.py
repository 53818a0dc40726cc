"""Breaks HTTP/2 in every way of a table, each on a connection of its own: http2_malformed.py HOST PORT CERTIFICATE LOGIN

Prints a line for each: its name, a tab, and what came of it: `status N`, `reset CODE`, `goaway CODE`, behind which the
connection ends, or `closed`.
"""

import base64
import socket
import ssl
import struct
import sys

import hpack

host, port, certificate, login = sys.argv[1:]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS = 1, 4
AUTHORIZATION = ("authorization", "Basic " + base64.b64encode(login.encode()).decode())


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def block(fields):
    return hpack.Encoder().encode(fields, huffman=False)


def head(method="GET", path="/v1/me", *more):
    return [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path), AUTHORIZATION, *more]


def request(fields, *body, stream=1):
    """A request with these fields, and a body of frames."""
    frames = frame(HEADERS, END_HEADERS | (0 if body else END_STREAM), stream, block(fields))
    for index, piece in enumerate(body):
        frames += frame(DATA, END_STREAM if index == len(body) - 1 else 0, stream, piece)
    return frames


def long_head(fields):
    """A head in as many frames as it needs."""
    data = block(fields)
    pieces = [data[at:at + 16384] for at in range(0, len(data), 16384)]
    frames = frame(HEADERS, END_STREAM | (END_HEADERS if len(pieces) == 1 else 0), 1, pieces[0])
    for index, piece in enumerate(pieces[1:], 2):
        frames += frame(CONTINUATION, END_HEADERS if index == len(pieces) else 0, 1, piece)
    return frames


def put(length, *body):
    return request(head("PUT", "/v1/users/1019/avatars/x.png", ("content-length", length)), *body)


CASES = {
    "no path": request([(":method", "GET"), (":scheme", "https"), (":authority", "localhost")]),
    "an empty path": request(head(path="")),
    "two paths": request([*head()[:4], (":path", "/healthz"), AUTHORIZATION]),
    "no method": request(head()[1:]),
    "no scheme": request([head()[0], *head()[2:]]),
    "a field of HTTP/2 behind the others": request([*head()[:3], AUTHORIZATION, head()[3]]),
    "an unknown field of HTTP/2": request([(":version", "2"), *head()]),
    "a status": request([(":status", "200"), *head()]),
    "capitals in a name": request(head("GET", "/v1/me", ("X-Large", "y"))),
    "a name with a blank": request(head("GET", "/v1/me", ("x y", "z"))),
    "a value with a line end": request(head("GET", "/v1/me", ("x", "y\r\nz: 1"))),
    "Connection": request(head("GET", "/v1/me", ("connection", "keep-alive"))),
    "Transfer-Encoding": request(head("GET", "/v1/me", ("transfer-encoding", "chunked"))),
    "TE other than trailers": request(head("GET", "/v1/me", ("te", "gzip"))),
    "two hosts": request(head("GET", "/v1/me", ("host", "elsewhere"))),
    "a body shorter than said": put("10", b"12345"),
    "a body longer than said": put("5", b"1234567890"),
    "two lengths": request(head("PUT", "/v1/users/1019/avatars/x.png", ("content-length", "5"), ("content-length", "6")), b"12345"),
    "a length that is none": put("five", b"12345"),
    "a head of 20,000 bytes": long_head(head("GET", "/v1/me", ("x", "y" * 20_000))),
    "101 fields": long_head(head("GET", "/v1/me", *((f"x-{index}", "y") for index in range(101)))),
    "a head of 100,000 bytes": long_head(head("GET", "/v1/me", ("x", "y" * 100_000))),
    "a head that HPACK cannot read": frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\xff\xff"),
    "a stream of the server's": request(head(), stream=2),
    "a stream that is older than the last": request(head(), stream=5) + request(head(), stream=3),
    "DATA on no stream": frame(DATA, 0, 0, b"x"),
    "DATA before HEADERS": frame(DATA, 0, 1, b"x"),
    "HEADERS on no stream": frame(HEADERS, END_HEADERS | END_STREAM, 0, block(head())),
    "CONTINUATION alone": frame(CONTINUATION, END_HEADERS, 1, block(head())),
    "another frame within a head": frame(HEADERS, END_STREAM, 1, block(head())) + frame(PING, 0, 0, bytes(8)),
    "PUSH_PROMISE": frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + block(head())),
    "RST_STREAM on no stream": frame(RST_STREAM, 0, 0, bytes(4)),
    "RST_STREAM of a stream that is none": frame(RST_STREAM, 0, 7, bytes(4)),
    "a window of nothing": frame(WINDOW_UPDATE, 0, 0, bytes(4)),
    "a window that overflows": frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1)) * 2,
    "SETTINGS of five bytes": frame(SETTINGS, 0, 0, bytes(5)),
    "SETTINGS of a stream": frame(SETTINGS, 0, 1),
    "SETTINGS with too large a window": frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 2**31)),
    "PING of seven bytes": frame(PING, 0, 0, bytes(7)),
    "a frame of 20,000 bytes": frame(DATA, 0, 1, bytes(20_000)),
    "10,000 empty frames": frame(HEADERS, END_HEADERS, 1, block(head("PUT", "/v1/users/1019/avatars/x.png", ("content-length", "5"))))
    + frame(DATA, 0, 1) * 10_000,
    "10,000 pings": frame(PING, 0, 0, bytes(8)) * 10_000 + frame(PING, 0, 0, bytes(7)),
    "10,000 settings": frame(SETTINGS, 0, 0) * 10_000 + frame(PING, 0, 0, bytes(7)),
    "no preface": None,
}


def connect():
    context = ssl.create_default_context(cafile=certificate)
    context.set_alpn_protocols(["h2"])
    return context.wrap_socket(socket.create_connection((host, int(port)), 20), server_hostname=host)


def ends(connection):
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except (ConnectionError, ssl.SSLError):
        pass
    return True


def outcome(connection):
    """The first that decides what came of it."""
    decoder, data = hpack.Decoder(), b""
    while True:
        while len(data) >= 9:
            length = int.from_bytes(data[:3], "big")
            if len(data) < 9 + length:
                break
            kind, flags, stream = struct.unpack(">BBI", data[3:9])
            payload, data = data[9:9 + length], data[9 + length:]
            if kind == HEADERS:
                return "status " + dict(decoder.decode(payload))[":status"]
            if kind == RST_STREAM:
                return f"reset {int.from_bytes(payload, 'big')}"
            if kind == GOAWAY:
                code = int.from_bytes(payload[4:8], "big")
                return f"goaway {code}" + ("" if ends(connection) else ", but it stays open")
        try:
            more = connection.recv(65536)
        except (ConnectionError, ssl.SSLError):
            more = b""
        if not more:
            return "closed"
        data += more


for name, frames in CASES.items():
    connection = connect()
    try:
        if frames is None:
            connection.sendall(b"GET /v1/me HTTP/1.1\r\nHost: x\r\n\r\n")
        else:
            connection.sendall(PREFACE + frame(SETTINGS, 0, 0) + frames)
    except (ConnectionError, ssl.SSLError):
        pass
    print(f"{name}\t{outcome(connection)}", flush=True)
    connection.close()
