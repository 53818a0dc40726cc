"""Speaks HTTP/2 in ways that curl does not: http2.py COMMAND HOST PORT CERTIFICATE [ARGUMENT…]

settings            prints what the server allows, as JSON
end                 ends the connection after an answer; prints `closed` when the server has ended its side too
resets COUNT        opens so many requests and takes each back at once; prints the error code that the server ends the connection with
slow LOGIN          sends the beginning of a picture and waits; prints the answer, how its stream ended, and the answer to a request behind it
early BYTES         sends a body of so many bytes whatever the answer is; prints the same
"""

import base64
import itertools
import json
import socket
import ssl
import sys

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings


class Connection:
    def __init__(self, host, port, certificate):
        context = ssl.create_default_context(cafile=certificate)
        context.set_alpn_protocols(["h2"])
        self.socket = context.wrap_socket(socket.create_connection((host, int(port)), 20), server_hostname=host)
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.http.initiate_connection()
        self.send()

    def send(self):
        self.socket.sendall(self.http.data_to_send())

    def events(self):
        """What comes until the server closes, and None then."""
        while True:
            try:
                data = self.socket.recv(65536)
            except (ConnectionError, ssl.SSLError):
                data = b""
            if not data:
                yield None
                return
            yield from self.http.receive_data(data)
            self.send()

    def request(self, path, fields=(), end=True):
        stream = self.http.get_next_available_stream_id()
        head = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", path)]
        self.http.send_headers(stream, head + list(fields), end_stream=end)
        return stream


def settings(connection):
    for event in connection.events():
        if isinstance(event, h2.events.RemoteSettingsChanged):
            # A window update of the connection comes with the settings or behind them; the answer to a request comes behind both.
            stream = connection.request("/healthz")
            connection.send()
        elif isinstance(event, h2.events.StreamEnded) and event.stream_id == stream:
            break
    told = connection.http.remote_settings
    print(json.dumps({
        "streams": told.max_concurrent_streams,
        "streamWindow": told.initial_window_size,
        "connectionWindow": connection.http.outbound_flow_control_window,
        "headBytes": told.max_header_list_size,
    }))


def end(connection):
    stream = connection.request("/healthz")
    connection.send()
    next(event for event in connection.events() if isinstance(event, h2.events.StreamEnded) and event.stream_id == stream)
    connection.socket.settimeout(10)
    connection.socket.unwrap()
    print("closed")


def resets(connection, count):
    events = connection.events()
    next(event for event in events if isinstance(event, h2.events.RemoteSettingsChanged))
    try:
        for _ in range(int(count)):
            connection.http.reset_stream(connection.request("/v1/me"), h2.errors.ErrorCodes.CANCEL)
            connection.send()
    except (ConnectionError, ssl.SSLError):
        pass
    for event in events:
        if event is None or isinstance(event, h2.events.ConnectionTerminated):
            print(None if event is None else int(event.error_code))
            return


def put(connection, length, login=None):
    stream = connection.http.get_next_available_stream_id()
    head = [(":method", "PUT"), (":scheme", "https"), (":authority", "localhost"), (":path", "/v1/users/1019/avatars/x.png"),
            ("content-length", str(length))]
    if login:
        head.append(("authorization", "Basic " + base64.b64encode(login.encode()).decode()))
    connection.http.send_headers(stream, head)
    connection.send()
    return stream


def status(event):
    return next(value for name, value in event.headers if name == ":status")


def tell(connection, events, stream, answer):
    """Waits for the answer and for the end of its stream, and asks for something else on the same connection."""
    for event in events:
        if event is None:
            sys.exit("the connection was closed")
        if isinstance(event, h2.events.ResponseReceived) and event.stream_id == stream:
            answer = status(event)
        elif isinstance(event, h2.events.StreamReset) and event.stream_id == stream:
            end = h2.errors.ErrorCodes(event.error_code).name
            break
    second = connection.request("/healthz")
    connection.send()
    for event in events:
        if isinstance(event, h2.events.ResponseReceived) and event.stream_id == second:
            print(f"{answer}, then {end}, then {status(event)}")
            return


def slow(connection, login):
    stream = put(connection, 10_000, login)
    connection.http.send_data(stream, b"\x89PNG")
    connection.send()
    tell(connection, connection.events(), stream, None)


def early(connection, count):
    stream, left, answer = put(connection, int(count)), int(count), None
    events = connection.events()
    while left:
        room = min(left, connection.http.local_flow_control_window(stream), connection.http.max_outbound_frame_size)
        if room:
            connection.http.send_data(stream, bytes(room))
            connection.send()
            left -= room
            continue
        event = next(events)
        if isinstance(event, h2.events.ResponseReceived):
            answer = status(event)
        elif isinstance(event, h2.events.StreamReset):
            events = itertools.chain([event], events)
            break
    tell(connection, events, stream, answer)


command, host, port, certificate = sys.argv[1:5]
{"settings": settings, "end": end, "resets": resets, "slow": slow, "early": early}[command](Connection(host, port, certificate), *sys.argv[5:])
