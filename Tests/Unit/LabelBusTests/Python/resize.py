"""Runs a command on a terminal of 100 columns, makes that 40 when `prompt` appears, and types Ctrl-C when the command has drawn anew. Prints what
was drawn from then on. Arguments: prompt, command and its arguments."""
import fcntl
import os
import pty
import struct
import sys
import termios


def size(terminal, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


prompt, *command = sys.argv[1:]
child, terminal = pty.fork()
if child == 0:
    size(0, 100)
    os.execv(command[0], command)
shown = b""
resized = None
while True:
    try:
        read = os.read(terminal, 65536)
    except OSError:  # EIO: the command has closed its end.
        break
    if not read:
        break
    shown += read
    if resized is None and prompt.encode() in shown:
        resized = len(shown)
        size(terminal, 40)
    elif resized is not None and b"under way" in shown[resized:]:
        os.write(terminal, b"\x03")
sys.stdout.buffer.write(shown[resized:])
os.waitpid(child, 0)
