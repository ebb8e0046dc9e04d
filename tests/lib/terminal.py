"""A program on a terminal of our own: a pty, and pyte as the terminal that understands what it writes.

    with Terminal([schedtop, "--socket", path], rows=24, columns=80) as terminal:
        terminal.wait_for("Jobs")
        terminal.send("j")
        assert terminal.line(3).startswith(">")
"""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

import pyte

SPECIAL = {"up": "\x1bOA", "down": "\x1bOB", "right": "\x1bOC", "left": "\x1bOD", "home": "\x1bOH",
           "end": "\x1bOF", "pageup": "\x1b[5~", "pagedown": "\x1b[6~", "enter": "\r", "esc": "\x1b",
           "tab": "\t", "backspace": "\x7f"}


class Screen(pyte.Screen):
    """With what xterm has and curses uses, but pyte leaves out: scrolling within the margins, repeating."""

    last_drawn = " "

    def draw(self, data):
        super().draw(data)
        self.last_drawn = data[-1:] or self.last_drawn

    def repeat_last(self, count=1):
        self.draw(self.last_drawn * (count or 1))

    def scroll_by(self, count, step, at):
        column, row = self.cursor.x, self.cursor.y
        for _ in range(count or 1):
            self.cursor.y = at
            step()
        self.cursor.x, self.cursor.y = column, row

    def scroll_up(self, count=1):
        self.scroll_by(count, self.index, self.margins.bottom if self.margins else self.lines - 1)

    def scroll_down(self, count=1):
        self.scroll_by(count, self.reverse_index, self.margins.top if self.margins else 0)


class Stream(pyte.ByteStream):
    csi = dict(pyte.ByteStream.csi, S="scroll_up", T="scroll_down", b="repeat_last")
    events = pyte.ByteStream.events | {"scroll_up", "scroll_down", "repeat_last"}


class Terminal:
    def __init__(self, command, rows=24, columns=80, env=None, term="xterm-256color", locale="C.UTF-8"):
        self.command = command
        self.rows = rows
        self.columns = columns
        self.env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "TERM": term, "LANG": locale}
        self.env.update(env or {})
        self.raw = b""  # everything that it wrote
        self.status = None
        self.screen = Screen(columns, rows)
        self.stream = Stream(self.screen)

    def __enter__(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))
                os.execvpe(self.command[0], self.command, self.env)
            finally:
                os._exit(127)
        return self

    def __exit__(self, *_):
        if self.status is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.wait_exit(5)
        os.close(self.fd)

    def pump(self, timeout_s=0.05):
        """Takes what comes within the time; True if anything came."""
        ready, _, _ = select.select([self.fd], [], [], timeout_s)
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        if not data:
            time.sleep(0.01)
            return False
        self.raw += data
        self.stream.feed(data)
        return True

    def settle(self, quiet_s=0.12, limit_s=3):
        """Waits until nothing has come for a while."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end and self.pump(quiet_s):
            pass

    def wait_until(self, condition, what, timeout_s=5):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if condition():
                # The rest of the same picture may come in a later read.
                while self.pump(0.02) and time.monotonic() < end:
                    pass
                return
            self.pump(0.05)
        raise AssertionError("not seen in time: %s\n%s" % (what, self.text()))

    def wait_for(self, text, timeout_s=5):
        self.wait_until(lambda: text in self.text(), repr(text), timeout_s)

    def send(self, *keys):
        for key in keys:
            os.write(self.fd, SPECIAL.get(key, key).encode())

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def line(self, row):
        return self.screen.display[row].rstrip()

    def kill(self, number):
        os.kill(self.pid, number)

    def wait_exit(self, timeout_s=5):
        """The wait status; what it still writes is taken meanwhile."""
        end = time.monotonic() + timeout_s
        while self.status is None and time.monotonic() < end:
            self.pump(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        while self.pump(0.02):
            pass
        if self.status is None:
            raise AssertionError("it did not end in time\n" + self.text())
        return self.status

    def modes(self):
        return termios.tcgetattr(self.fd)
