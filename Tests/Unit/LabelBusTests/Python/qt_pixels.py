"""Runs Examples/qt_labels.py's window and compares the pixels of its labels with the pictures, before and after."""
import importlib.util
import sys

from PyQt5.QtGui import QColor, QImage, qRgb
from PyQt5.QtWidgets import QApplication

example, address, folder = sys.argv[1:4]
spec = importlib.util.spec_from_file_location("qt_labels", example)
qt_labels = importlib.util.module_from_spec(spec)
spec.loader.exec_module(qt_labels)

application = QApplication(sys.argv)
SIDE = qt_labels.SIDE


def picture(name, colour):
    image = QImage(SIDE, SIDE, QImage.Format_RGB32)
    for x in range(SIDE):
        for y in range(SIDE):
            image.setPixelColor(x, y, QColor(qRgb(colour, x * 255 // SIDE, y * 255 // SIDE)))
    image.save(folder + "/" + name)


picture("fallback.png", 10)
picture("a.png", 90)
picture("b.png", 170)
window = qt_labels.AvatarLabels(address, ["a.png", "b.png"])
window.show()
seen = {}


def is_shown(label, name):
    """Whether the label's pixels on the (offscreen) screen are those of the file."""
    shown = window.labels[label].grab().toImage().convertToFormat(QImage.Format_RGB32)
    return shown == QImage(folder + "/" + name).convertToFormat(QImage.Format_RGB32)


def told(label, state):
    seen.setdefault(label, []).append(state)
    if state == "pending":
        print(label, state, is_shown(label, "fallback.png"), flush=True)
        if len(seen) == 2 and all(states == ["pending"] for states in seen.values()):
            other = qt_labels.socket.socket(qt_labels.socket.AF_UNIX)
            other.connect(address)
            other.sendall(b'{"method":"org.avatard.Agent.Pause","oneway":true}\0')
    else:
        print(label, state, is_shown(label, label), is_shown(label, "fallback.png"), flush=True)
        if all(len(states) == 2 for states in seen.values()):
            application.quit()


window.told.connect(told)
window.lost.connect(lambda reason: application.exit(2))
sys.exit(application.exec_())
