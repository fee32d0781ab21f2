"""Runs a program on a pseudo-terminal. Reads one JSON object on standard input, writes one on standard output.

in:  {"args", "env", "columns", "steps": [{"await" or "file", "send"}], "stdout": a file or null, "seconds"}
out: {"text": everything that the terminal was sent, "code": the exit code, or minus the signal}

Each step waits until the terminal was sent a text that the one before did not yet see, or until a file is there, and then
types something.
"""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

asked = json.load(sys.stdin)
pid, terminal = pty.fork()
if pid == 0:
    # Before the program starts, so that it never sees another size.
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, asked["columns"], 0, 0))
    if asked["stdout"] is not None:
        os.dup2(os.open(asked["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
    os.execvpe(asked["args"][0], asked["args"], asked["env"])

steps = asked["steps"]
text = b""
seen = 0


def is_due(step):
    global seen
    if "file" in step:
        return os.path.exists(step["file"])
    at = text.find(step["await"].encode(), seen)
    if at >= 0:
        seen = at + len(step["await"].encode())
    return at >= 0


deadline = time.monotonic() + asked["seconds"]
while True:
    if time.monotonic() > deadline:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        sys.exit("not done in %s s; still to type: %r; on the terminal: %r" % (asked["seconds"], steps, text))
    if select.select([terminal], [], [], 0.05)[0]:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # How Linux says that the last program has closed the terminal.
            break
        if not part:
            break
        text += part
    while steps and is_due(steps[0]):
        os.write(terminal, steps.pop(0)["send"].encode())
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
json.dump({"text": text.decode("utf-8", "replace"), "code": code}, sys.stdout)
