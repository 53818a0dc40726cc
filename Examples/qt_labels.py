#!/usr/bin/env python3
"""A window of avatars: each label shows the fallback at once, and its picture as soon as the agent has it.

    apt install python3-pyqt5
    python3 Examples/qt_labels.py head_17.png head_18.png

No thread and no timer: Qt's event loop says when the agent has said something (QSocketNotifier).
"""
import json
import os
import socket
import sys

from PyQt5.QtCore import QSocketNotifier, Qt, pyqtSignal
from PyQt5.QtGui import QPixmap
from PyQt5.QtWidgets import QApplication, QHBoxLayout, QLabel, QWidget

SIDE = 64


class AvatarLabels(QWidget):
    """One QLabel for each name, kept right by the agent for as long as the window lives."""

    told = pyqtSignal(str, str)
    """A label and the state of its avatar, after the label was changed."""
    lost = pyqtSignal(str)
    """The agent is gone, and why."""

    def __init__(self, address, names):
        super().__init__()
        self.setWindowTitle("Avatars")
        row = QHBoxLayout(self)
        self.labels = {}
        for name in names:
            self.labels[name] = QLabel()
            self.labels[name].setFixedSize(SIDE, SIDE)
            self.labels[name].setToolTip(name)
            row.addWidget(self.labels[name])
        self.unread = b""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(address)
        self.call("Register", {"labels": [{"label": name, "name": name} for name in names], "keep": True}, more=True)
        self.socket.setblocking(False)
        self.notifier = QSocketNotifier(self.socket.fileno(), QSocketNotifier.Read, self)
        self.notifier.activated.connect(self.read)

    def call(self, method, parameters, **flags):
        call = {"method": "org.avatard.Agent." + method, "parameters": parameters, **flags}
        self.socket.sendall(json.dumps(call).encode() + b"\0")

    def read(self):
        received = self.socket.recv(65536)
        if not received:
            return self.hang_up("the agent hung up")
        *messages, self.unread = (self.unread + received).split(b"\0")
        for message in messages:
            reply = json.loads(message)
            if "error" in reply:
                return self.hang_up(reply["error"])
            for state in reply.get("parameters", {}).get("labels", []):
                self.show_avatar(state["label"], state["avatar"])

    def show_avatar(self, label, avatar):
        picture = QPixmap(avatar.get("path") or avatar.get("fallback") or "")
        if not picture.isNull():
            self.labels[label].setPixmap(
                picture.scaled(SIDE, SIDE, Qt.KeepAspectRatioByExpanding, Qt.SmoothTransformation)
            )
        self.told.emit(label, avatar["state"])

    def hang_up(self, reason):
        self.notifier.setEnabled(False)
        self.socket.close()
        self.lost.emit(reason)


if __name__ == "__main__":
    application = QApplication(sys.argv)
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    window = AvatarLabels(
        os.environ.get("AVATARD_BUS_SOCKET") or runtime + "/avatard/agent.sock",
        application.arguments()[1:],
    )
    window.lost.connect(lambda reason: (print(reason, file=sys.stderr), application.exit(1)))
    window.show()
    sys.exit(application.exec_())
