"""Runs a command on a terminal of its own, 60 columns wide; types `answer` when `prompt` appears. Prints what the terminal showed, and
ends as the command did. Arguments: prompt, answer, command and its arguments."""
import fcntl
import os
import pty
import struct
import sys
import termios

prompt, answer, *command = sys.argv[1:]
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    os.execv(command[0], command)
shown = b""
while True:
    try:
        read = os.read(terminal, 65536)
    except OSError:  # EIO: the command has closed its end.
        break
    if not read:
        break
    shown += read
    if prompt and prompt.encode() in shown:
        os.write(terminal, answer.encode() + b"\n")
        prompt = ""
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
