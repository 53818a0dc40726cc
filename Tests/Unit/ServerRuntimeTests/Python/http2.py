"""Speaks HTTP/2 in ways that curl does not: http2.py COMMAND HOST PORT CERTIFICATE [ARGUMENT…]

settings            prints what the server allows, as JSON
end                 ends the connection after an answer; prints `closed` when the server has ended its side too
resets COUNT        opens so many requests and takes each back at once; prints the error code that the server ends the connection with
"""

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
    except ConnectionError:
        pass
    for event in events:
        if event is None or isinstance(event, h2.events.ConnectionTerminated):
            print(None if event is None else int(event.error_code))
            return


command, host, port, certificate = sys.argv[1:5]
{"settings": settings, "end": end, "resets": resets}[command](Connection(host, port, certificate), *sys.argv[5:])
