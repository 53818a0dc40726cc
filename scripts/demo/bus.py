"""One agent's label bus, spoken to with the `varlink` package of PyPI: what any desktop client could use."""

import queue
import socket
import threading
from dataclasses import dataclass

import varlink

INTERFACE = "org.avatard.Agent"
# The longest that anything here may take. It only bounds a failure: nothing waits for it when all goes well.
PATIENCE_SECONDS = 60


class DemoFailure(Exception):
    """Something did not happen as it should have; the text is for the person who watches."""


@dataclass
class Said:
    """One reply of a stream, or the error that ended it."""

    stream: str
    reply: dict | None
    error: Exception | None = None


class Bus:
    """Calls one at a time over one connection; each stream has a connection and a thread of its own."""

    def __init__(self, socket_path):
        self.client = varlink.Client.new_with_address(f"unix:{socket_path}")
        self.said = queue.Queue()
        self.handles = []
        self.calls = self._open(PATIENCE_SECONDS)

    def _open(self, timeout):
        connection = self.client.open_connection()
        connection.settimeout(timeout)
        handle = self.client.open(INTERFACE, connection=connection)
        self.handles.append((connection, handle))
        return handle

    def call(self, method, **parameters):
        """The one reply to one call."""
        return getattr(self.calls, method)(**parameters)

    def stream(self, name, method, **parameters):
        """Starts a call with `more`; its replies come out of `next_said` under `name`."""
        handle = self._open(None)

        def read():
            try:
                for reply in getattr(handle, method)(_more=True, **parameters):
                    self.said.put(Said(name, reply))
                self.said.put(Said(name, None))
            except (varlink.VarlinkError, OSError, StopIteration, RuntimeError) as error:
                self.said.put(Said(name, None, error))

        threading.Thread(target=read, daemon=True).start()

    def next_said(self, waiting_for):
        """The next reply of any stream, as soon as there is one."""
        try:
            said = self.said.get(timeout=PATIENCE_SECONDS)
        except queue.Empty:
            raise DemoFailure(f"waited {PATIENCE_SECONDS} s for {waiting_for}, and nothing came") from None
        if said.error is not None:
            raise DemoFailure(f"the stream {said.stream} ended while waiting for {waiting_for}: {said.error!r}")
        return said

    def close(self):
        """Hangs up: the agent takes this client's labels back."""
        for connection, _ in self.handles:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()
        self.handles.clear()
