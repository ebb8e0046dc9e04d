"""Drives a real schedd-runner over its socket, as the agent does: orders out, reports in, output files read."""
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

import msgpack

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD_DIR") or os.path.join(
    ROOT, "build", os.environ.get("VARIANT", "release") + ("-clang" if "clang" in os.environ.get("CC", "") else "")
)
PROGRAM = os.path.join(BUILD, "bin", "schedd-runner")

PREPARE, KILL, ASK, FORGET, REVOKE = 1, 2, 3, 4, 5
HELLO, STARTED, ENDED, UNKNOWN, PREPARED = 1, 2, 3, 4, 5
NONE, SPAWN, CWD, TIMEOUT, KILLED, REVOKED, LOST = 0, 1, 2, 3, 4, 5, 6

# The keys of a definition in the order in which they are stored.
KEYS = ["job", "manual", "command", "shell", "stdin", "env", "cwd", "umask", "timeout", "kill_grace", "output.max"]
STARTED_FIELDS = ["pid", "started_utc_ms", "started_mono_us", "lateness_us"]
ENDED_FIELDS = STARTED_FIELDS + [
    "ended_utc_ms", "duration_us", "exit_code", "signal", "cause", "text", "user_us", "system_us", "rss_bytes",
    "output_bytes", "processes_left",
]


def mono_us():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def definition(**keys):
    keys = {key.replace("output_max", "output.max"): value for key, value in keys.items()}
    keys = {"job": "default/test", "manual": True, **keys}
    return msgpack.packb({key: keys[key] for key in KEYS if key in keys})


class Report:
    def __init__(self, items):
        self.type = items[1]
        if self.type == HELLO:
            self.boot, self.version = items[2], items[3]
            return
        self.key = tuple(items[2])
        names = {STARTED: STARTED_FIELDS, ENDED: ENDED_FIELDS}.get(self.type, [])
        self.__dict__.update(zip(names, items[3:]))

    def __repr__(self):
        return f"Report({self.__dict__})"


class Connection:
    """One agent."""

    def __init__(self, path, hello=True, log=lambda: ""):
        self.log = log
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.bytes = b""
        self.reports = []
        if hello:
            self.hello = self.expect(HELLO)

    def send_bytes(self, body):
        self.socket.sendall(struct.pack(">I", len(body)) + body)

    def order(self, kind, key, *fields):
        self.send_bytes(msgpack.packb([1, kind, list(key), *fields]))

    def _receive(self, deadline):
        while True:
            if len(self.bytes) >= 4:
                size = struct.unpack(">I", self.bytes[:4])[0]
                if len(self.bytes) >= 4 + size:
                    body = self.bytes[4 : 4 + size]
                    self.bytes = self.bytes[4 + size :]
                    return Report(msgpack.unpackb(body, strict_map_key=False))
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except socket.timeout:
                return None
            if not data:
                raise ConnectionError("the runner closed the connection")
            self.bytes += data

    def expect(self, kind, key=None, timeout=10.0):
        """The next report of this kind (about this run); others are kept for later."""
        deadline = time.monotonic() + timeout
        for index, report in enumerate(self.reports):
            if report.type == kind and (key is None or report.key == tuple(key)):
                return self.reports.pop(index)
        while True:
            report = self._receive(deadline)
            if report is None:
                raise AssertionError(f"no report {kind} came; there are {self.reports}; the log:\n{self.log()}")
            if report.type == kind and (key is None or report.key == tuple(key)):
                return report
            self.reports.append(report)

    def nothing(self, seconds=0.3):
        report = self._receive(time.monotonic() + seconds)
        assert report is None, f"unexpected {report}"
        assert not self.reports, f"unexpected {self.reports}"

    def close(self):
        self.socket.close()


class Runner:
    """A runner in a directory of its own; `wrap` is put in front of its command line."""

    def __init__(self, wrap=()):
        self.directory = tempfile.mkdtemp(prefix="peersched-runner-")
        self.wrap = list(wrap)
        self.process = None
        self.connections = []
        self.run_count = 0
        self.log_path = os.path.join(self.directory, "log")
        self.start()

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.wrap + [PROGRAM, "--dir", self.directory], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd="/",
            )
        self._wait_until_ready()

    def _wait_until_ready(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log()
            try:
                probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                probe.connect(self.path("runner.sock"))
                probe.close()
                return
            except OSError:
                time.sleep(0.01)
        raise AssertionError(f"the runner does not listen: {self.log()}")

    def path(self, name):
        return os.path.join(self.directory, name)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def connect(self, hello=True):
        connection = Connection(self.path("runner.sock"), hello, self.log)
        self.connections.append(connection)
        return connection

    def key(self):
        """A run that was not used yet."""
        self.run_count += 1
        return (bytes([7] * 16), 1743301800000 + self.run_count, bytes(16), 0, 1)

    def name(self, key):
        """As in SCHED_RUN; no other runner of this host has it."""
        return f"test@{key[1]}+{os.path.basename(self.directory)}/0#1"

    def prepare(self, connection, key, in_ms=0, environment=None, **keys):
        start_us = mono_us() + in_ms * 1000
        environment = {"SCHED_JOB": "test", "SCHED_RUN": self.name(key), **(environment or {})}
        connection.order(PREPARE, key, self.name(key), start_us, definition(**keys), msgpack.packb(environment))
        return start_us

    def run(self, connection, **keys):
        """Runs to the end; returns its key and the report of the end."""
        key = self.key()
        self.prepare(connection, key, **keys)
        return key, connection.expect(ENDED, key)

    def output_path(self, key):
        manual = key[2].hex() if any(key[2]) else ""
        return self.path(f"output/{key[0].hex()}-{key[1]:016x}-{manual}-{key[3]:04x}{key[4]:04x}")

    def output(self, key):
        """The header's facts and the records (t_ms, stream, bytes) as they lie in the file."""
        with open(self.output_path(key), "rb") as file:
            return parse_output(file.read())

    def text(self, key, stream="o"):
        return b"".join(bytes_ for _, of, bytes_ in self.output(key)[1] if of == stream)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, timeout=20):
        """Ends it as the operator does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        return self.process.returncode

    def _kill_leftovers(self):
        """What a failed test left running."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if f"+{os.path.basename(self.directory)}/0#1".encode() in file.read():
                        os.kill(int(pid), signal.SIGKILL)
            except OSError:
                pass

    def close(self):
        for connection in self.connections:
            connection.close()
        self._kill_leftovers()
        try:
            code = self.stop()
            assert code in (0, -signal.SIGKILL), f"exit {code}: {self.log()}"
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)


def parse_records(data):
    records = []
    at = 0
    while at < len(data):
        magic, stream, size, high, low = struct.unpack_from(">BBHHI", data, at)
        assert magic == 0xA5
        records.append(((high << 32) | low, chr(stream), data[at + 10 : at + 10 + size]))
        at += 10 + size
    return records


def parse_output(data):
    # Two slots, of which the one with the greater sequence number counts.
    slots = [data[at : at + 256] for at in (0, 256)]
    slots = [slot for slot in slots if slot[:4] == b"PSO1"]
    slot = max(slots, key=lambda slot: struct.unpack_from(">Q", slot, 8)[0])
    _, version, flags = struct.unpack_from(">IHH", slot, 0)
    assert version == 1
    # sequence 8, job 16, t 8, manual 16, shard 2, attempt 2
    fields = struct.unpack_from(">7Q", slot, 8 + 52)
    names = ["bytes_max", "total", "left_out", "lost", "head_end", "tail_start", "tail_end"]
    header = dict(zip(names, fields), head_closed=bool(flags & 1), complete=bool(flags & 2))
    head_max = header["bytes_max"] // 4
    tail_max = header["bytes_max"] - head_max
    head_stored, tail_stored = head_max + head_max // 2, tail_max + tail_max // 2
    records = parse_records(data[512 : 512 + header["head_end"]])
    ring = data[512 + head_stored :]
    start = (header["tail_start"] - header["head_end"]) % tail_stored
    count = header["tail_end"] - header["tail_start"]
    if header["head_closed"]:
        ring = ring.ljust(tail_stored, b"\0")
        header["head_records"] = len(records)
        records += parse_records((ring + ring)[start : start + count])
    return header, records
