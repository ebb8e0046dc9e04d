"""What people, files and strangers do wrong: a clear error, the right exit code, and nothing changed."""
import os
import random
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

import pathlib

import pytest
from conftest import BIN, Cluster, run_program, wait_until


@pytest.fixture(scope="module")
def pair():
    """Two agents on loopback, so that the test itself can reach their ports."""
    cluster = Cluster(count=2, use_namespaces=False)
    try:
        yield cluster.up()
    finally:
        cluster.down()


@pytest.fixture
def scratch():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="psb-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def key(scratch):
    path = scratch / "key"
    assert run_program("schedctl", "key", "new", path).code == 0
    return path


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.77.251.1", 0))
        return f"127.77.251.1:{probe.getsockname()[1]}"


def address_of(cluster, name):
    row = [row for row in cluster.rows("n1", "node", "ls") if row["name"] == name][0]
    host, port = row["addr"].rsplit(":", 1)
    return host, int(port)


class Agent:
    """One schedd of a test, with its log as it comes."""

    def __init__(self, *words):
        self.process = subprocess.Popen([str(BIN / "schedd"), *map(str, words)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        os.set_blocking(self.process.stderr.fileno(), False)
        self.text = ""

    def read(self):
        ready, _, _ = select.select([self.process.stderr], [], [], 0.05)
        if ready:
            self.text += self.process.stderr.read() or ""
        return self.text

    def says(self, pattern, seconds=8):
        wait_until(lambda: re.search(pattern, self.read()), seconds, f"\"{pattern}\" in the log: {self.text}")
        return re.search(pattern, self.text).group(0)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.read()
        self.process.stderr.close()
        return self.process.returncode


# ---- options ----

WRONG_OPTIONS = [
    (["--colour"], "--colour: unknown option"),
    (["--nmae", "n1"], "did you mean --name"),
    (["loose"], "loose: not an option"),
    (["--name"], "a value is missing"),
    (["--name", "a b"], "--name"),
    (["--bind", "127.0.0.1:port"], "--bind"),
    (["--bind", "127.0.0.1:0"], "--bind"),
    (["--bind", "localhost:7420"], "--bind"),
    (["--bind", "0.0.0.0:7420"], "wildcard"),
    (["--slots", "0"], "--slots"),
    (["--slots", "many"], "--slots"),
    (["--log-level", "loud"], "--log-level"),
    (["--init", "--join", "127.0.0.1:1", "--bind", "127.0.0.1:7420"], "--init"),
    (["--join", "127.0.0.1:1"], "no key"),
    (["--join", "not-an-address"], "--join"),
    (["--dir", "/tmp/" + "x" * 120], "longer than"),
    (["--config", "/no/such/file"], "/no/such/file"),
]


@pytest.mark.parametrize("words,said", WRONG_OPTIONS, ids=[" ".join(words)[:30] for words, _ in WRONG_OPTIONS])
def test_a_wrong_option_is_named_and_nothing_is_made(scratch, words, said):
    where = [] if "--dir" in words else ["--dir", scratch / "d"]
    answer = run_program("schedd", *where, *words)
    assert answer.code == 2, answer
    assert answer.err.startswith("schedd: ") and said in answer.err, answer
    assert answer.out == "" and not (scratch / "d").exists()


def test_a_wrong_line_of_the_configuration_is_told_with_its_place(scratch):
    for text, said in [
        ("name: n1\ncolour: red\n", ":2:1: colour"),
        ("slots: many\n", ":1:8"),
        ("name: [\n", ":"),
        ("name: a\nname: b\n", ":2:1"),
    ]:
        (scratch / "c.yaml").write_text(text)
        answer = run_program("schedd", "--dir", scratch / "d", "--config", scratch / "c.yaml")
        assert answer.code == 2 and "c.yaml" + said in answer.err, answer
        assert not (scratch / "d").exists()


@pytest.mark.parametrize("program", ["schedd", "schedd-runner", "schedctl"])
def test_every_program_tells_its_version_and_its_options(program):
    version = run_program(program, "--version")
    assert version.code == 0 and re.fullmatch(rf"{program} \d+\.\d+\.\d+\n", version.out), version
    usage = run_program(program, "--help")
    assert usage.code == 0 and "usage: " + program in usage.out and usage.err == "", usage


def test_a_first_start_must_say_whether_it_makes_or_joins(scratch):
    answer = run_program("schedd", "--dir", scratch / "d", "--name", "x")
    assert answer.code == 2 and "--init" in answer.err and "--join" in answer.err, answer


# ---- keys ----


def test_a_key_that_others_can_read_is_refused(scratch, key):
    key.chmod(0o640)
    answer = run_program("schedd", "--dir", scratch / "d", "--init", "--bind", free_address(), "--key", key)
    assert answer.code in (1, 4) and "lets others read" in answer.err and f"chmod 600 {key}" in answer.err, answer


def test_a_file_that_is_no_key_is_refused(scratch):
    for text in ("", "peersched-key-1 abc\n", "peersched-key-9 " + "0" * 64 + "\n", "x" * 5000):
        (scratch / "bad").write_text(text)
        (scratch / "bad").chmod(0o600)
        answer = run_program("schedd", "--dir", scratch / "d", "--init", "--bind", free_address(), "--key", scratch / "bad")
        assert answer.code in (1, 2) and "--key: " in answer.err and "0000000000" not in answer.err, answer
    answer = run_program("schedd", "--dir", scratch / "d", "--init", "--bind", free_address(), "--key", scratch / "none")
    assert answer.code in (1, 2) and "schedctl key new" in answer.err, answer


def test_another_key_than_that_of_the_first_start_is_refused(pair, scratch, key):
    pair.kill("n2", signal.SIGTERM)
    host, port = "127.77.251.9", 7420
    answer = run_program("schedd", "--dir", pair.base / "n2", "--name", "n2", "--bind", f"{host}:{port}", "--key", key)
    assert answer.code == 1 and "the one in force" in answer.err, answer
    pair.start("n2")
    wait_until(lambda: pair.alive("n1") == {"n1", "n2"}, 15, "n2's return")


def test_a_joiner_with_another_key_is_told_both(pair, scratch, key):
    host, port = address_of(pair, "n1")
    joiner = Agent("--dir", scratch / "d", "--name", "stranger", "--bind", free_address(), "--key", key,
                   "--join", f"{host}:{port}")
    said = joiner.says(r"key has id [0-9a-f]{4}, the agent at [0-9.:]+ uses [0-9a-f]{4}")
    ids = re.findall(r"\b[0-9a-f]{4}\b", said)
    assert ids[0] != ids[-1], said
    joiner.close()
    assert "stranger" not in pair.ok("n1", "node", "ls").out


def test_a_member_of_another_cluster_is_not_taken(pair, scratch):
    """It has the key, but its store belongs to a cluster of its own."""
    directory = scratch / "d"
    shutil.copy(pair.base / "key", scratch / "same-key")
    words = ["--dir", directory, "--name", "stranger", "--bind", free_address(), "--key", scratch / "same-key"]
    first = Agent(*words, "--init")
    wait_until(lambda: run_program("schedctl", "node", "ls", env={"SCHED_SOCKET": str(directory / "schedd.sock")}).code == 0,
               5, "its own cluster")
    assert first.close() == 0
    host, port = address_of(pair, "n1")
    second = Agent(*words, "--join", f"{host}:{port}")
    second.says("cluster")
    time.sleep(1)
    second.close()
    assert "stranger" not in pair.ok("n1", "node", "ls").out


# ---- one agent to a directory, one directory to an agent ----


def test_a_second_agent_on_a_directory_names_the_first(pair):
    pid = pair.pid("n1")
    answer = run_program("schedd", "--dir", pair.base / "n1", "--name", "n1", "--bind", free_address(),
                         "--key", pair.base / "key")
    assert answer.code == 1 and str(pid) in answer.err, answer
    assert pair.ok("n1", "node", "ls").code == 0


def test_a_second_runner_on_a_directory_names_the_first(pair):
    pid = pair.pid("n1", "schedd-runner")
    answer = run_program("schedd-runner", "--dir", pair.base / "n1")
    assert answer.code in (1, 2) and str(pid) in answer.err, answer


def test_a_port_in_use_is_told(pair, scratch, key):
    host, port = address_of(pair, "n1")
    answer = run_program("schedd", "--dir", scratch / "d", "--init", "--name", "x", "--bind", f"{host}:{port}", "--key", key)
    assert answer.code == 1 and f"{host}:{port}" in answer.err, answer


def test_a_socket_left_by_a_killed_agent_is_no_obstacle(pair):
    pair.kill("n2")
    assert (pair.base / "n2" / "schedd.sock").exists()
    answer = pair.ctl("n2", "node", "ls")
    assert answer.code == 7 and "hint: " in answer.err, answer
    pair.start("n2")
    wait_until(lambda: pair.alive("n1") == {"n1", "n2"}, 15, "n2's return")


def test_the_directory_and_the_sockets_are_for_their_owner_only(pair):
    for name in pair.names:
        assert (pair.base / name).stat().st_mode & 0o077 == 0
        assert (pair.base / name / "schedd.sock").stat().st_mode & 0o077 == 0
        assert (pair.base / name / "runner.sock").stat().st_mode & 0o077 == 0


# ---- commands ----

WRONG_COMMANDS = [
    (["job", "add", "x", "--cron", "61 * * * *", "--", "true"], 2),
    (["job", "add", "x", "--every", "10ms", "--", "true"], 2),
    (["job", "add", "x", "--cron", "* * * * * *", "--", "true"], 2),
    (["job", "add", "a/b/c", "--every", "1h", "--", "true"], 2),
    (["job", "add", "x", "--every", "1h", "--tz", "Europe/Pariss", "--", "true"], 2),
    (["job", "add", "x", "--every", "1h"], 2),
    (["job", "add", "x", "--at", "2001-01-01T00:00:00Z", "--", "true"], 2),
    (["job", "add", "x", "--every", "1h", "--on-lost", "retry", "--", "true"], 2),
    (["job", "add", "x", "--every", "1h", "--user", "nobody", "--", "true"], 2),
    (["job", "show", "nobody/here"], 3),
    (["job", "rm", "nobody/here", "--yes"], 3),
    (["job", "pause", "nobody/here"], 3),
    (["run", "nobody/here"], 3),
    (["logs", "0123abcd"], 3),
    (["wait", "0123abcd"], 3),
    (["kill", "0123abcd", "--yes"], 3),
    (["cancel", "0123abcd"], 3),
    (["job", "ls", "--state", "sleepy"], 2),
    (["runs", "--verdict", "fine"], 2),
    (["jobs"], 2),
    (["alert", "ls"], 2),
]


@pytest.mark.parametrize("words,code", WRONG_COMMANDS, ids=[" ".join(words)[:40] for words, _ in WRONG_COMMANDS])
def test_a_wrong_command_changes_nothing_whichever_agent_is_asked(pair, words, code):
    for name in pair.names:
        answer = pair.ctl(name, *words)
        assert answer.code == code and answer.out == "", answer
        assert answer.err.startswith("schedctl: ") and len(answer.err) < 2000, answer
    assert pair.rows("n2", "job", "ls") == []


def test_a_file_with_one_error_applies_nothing(pair):
    text = "job: good/one\nevery: 1h\ncommand: ['true']\n---\njob: bad/one\nevery: 1h\ncomand: ['true']\n"
    answer = pair.ctl("n1", "apply", "-f", "-", stdin=text)
    assert answer.code == 2 and "7:1" in answer.err and "comand" in answer.err, answer
    assert pair.rows("n1", "job", "ls") == []


# ---- strangers ----


def garbage(source, bytes_max=2000):
    return source.randbytes(source.randrange(bytes_max))


def test_garbage_on_the_port_ends_no_agent(pair):
    source = random.Random(7)
    pids = {name: pair.pid(name) for name in pair.names}
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for name in pair.names:
        address = address_of(pair, name)
        for _ in range(300):
            udp.sendto(garbage(source, 1400), address)
        udp.sendto(b"", address)
        for data in (b"", b"GET / HTTP/1.1\r\n\r\n", b"PSST" + garbage(source), b"\xff" * 4096, garbage(source)):
            with socket.create_connection(address, 2) as stream:
                try:
                    stream.sendall(data)
                    stream.settimeout(0.05)
                    stream.recv(4096)
                except OSError:
                    pass
        # Connections that say nothing.
        silent = [socket.create_connection(address, 2) for _ in range(20)]
        assert pair.ok(name, "node", "ls")
        for stream in silent:
            stream.close()
    udp.close()
    assert {name: pair.pid(name) for name in pair.names} == pids
    assert pair.alive("n1") == {"n1", "n2"}


def test_garbage_on_the_local_socket_ends_no_agent(pair):
    source = random.Random(11)
    pid = pair.pid("n1")
    for data in [b"\0\0\0\0", b"\xff\xff\xff\xff", struct.pack(">I", 5) + b"hello", struct.pack(">I", 1 << 20) + b"x"] + [
            struct.pack(">I", len(data)) + data for data in (garbage(source) for _ in range(100))]:
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(0.02)
            stream.connect(pair.socket("n1"))
            try:
                stream.sendall(data)
                stream.recv(4096)
            except OSError:
                pass
    assert pair.pid("n1") == pid and pair.ok("n1", "job", "ls")


def test_garbage_on_the_runners_socket_ends_no_runner(pair):
    source = random.Random(13)
    pid = pair.pid("n2", "schedd-runner")
    for _ in range(30):
        data = garbage(source)
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(0.02)
            stream.connect(str(pair.base / "n2" / "runner.sock"))
            try:
                stream.sendall(struct.pack(">I", len(data)) + data)
                stream.recv(4096)
            except OSError:
                pass
    assert pair.pid("n2", "schedd-runner") == pid
    wait_until(lambda: all(row["runner"] for row in pair.rows("n2", "node", "ls")), 10, "the agent's own link again")


def test_more_clients_than_there_is_room_for_are_told(pair):
    streams = []
    try:
        for _ in range(80):
            stream = socket.socket(socket.AF_UNIX)
            stream.connect(pair.socket("n2"))
            streams.append(stream)
        answer = pair.ctl("n2", "node", "ls")
        assert answer.code in (5, 7) and answer.err.startswith("schedctl: "), answer
    finally:
        for stream in streams:
            stream.close()
    wait_until(lambda: pair.ctl("n2", "node", "ls").code == 0, 5, "room again")


def test_both_agents_still_work_after_all_of_this(pair):
    pair.ok("n2", "job", "add", "after/all", "--manual", "--", "true")
    assert pair.ctl("n1", "run", "after/all", "--wait").code == 0
    pair.ok("n1", "job", "rm", "after/all", "--yes", "--let-finish")
