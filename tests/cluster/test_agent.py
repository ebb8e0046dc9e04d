"""schedd as a process: its options, its files, its signals, its sockets."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD_DIR", "build/release")
SCHEDD = BUILD / "bin" / "schedd"
RUNNER = BUILD / "bin" / "schedd-runner"
ADDRESS = f"127.78.{os.getpid() % 250 + 1}.{{}}:7420"
CLOSE_ON_EXEC = 0o2000000


def wait_for(condition, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come in time")


def write_key(path, byte="ab", mode=0o600):
    path.write_text(f"peersched-key-1 {byte * 32}\n")
    path.chmod(mode)
    return path


class Agent:
    """A process, its log and its directory."""

    def __init__(self, program, directory, *options, environment=None):
        self.directory = directory
        self.log_path = directory.with_suffix(".log")
        environment = {**os.environ, **(environment or {})}
        with open(self.log_path, "ab") as log:
            self.seen = log.tell()
            self.process = subprocess.Popen(
                [str(program), "--dir", str(directory), *map(str, options)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    def log(self):
        with open(self.log_path, "rb") as log:
            log.seek(self.seen)
            return log.read().decode()

    def await_log(self, pattern, timeout_s=10):
        return wait_for(lambda: re.search(pattern, self.log()), timeout_s)

    def ready(self):
        found = self.await_log(r"ready socket=(\S+) name=(\S+) node=(\S+) boot=(\d+)")
        self.node, self.boot = found.group(3), int(found.group(4))
        return self

    def socket_path(self):
        return self.directory / "schedd.sock"

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(5)

    def switches(self):
        total = 0
        for status in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/status"):
            total += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status.read_text(), re.M).group(1))
        return total


@pytest.fixture
def start(tmp_path):
    agents = []

    def start_one(name, *options, program=SCHEDD, **more):
        agents.append(Agent(program, tmp_path / name, *options, **more))
        return agents[-1]

    yield start_one
    for agent in agents:
        if agent.process.poll() is None:
            agent.process.kill()
            agent.process.wait()


def run(*options, environment=None):
    process = subprocess.run(
        [str(SCHEDD), *map(str, options)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=10, env={**os.environ, **(environment or {})})
    return process.returncode, process.stdout, process.stderr


# ---- options ----


def test_help_and_version_say_what_they_should():
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    assert "--join ADDR:PORT,..." in out and "--test" not in out
    code, out, err = run("--version")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"schedd \d+\.\d+\.\d+\n", out)


def test_bad_options_exit_2_and_make_nothing(tmp_path):
    directory = tmp_path / "a"
    file = tmp_path / "schedd.yaml"
    file.write_text("name: a\nslots: many\n")
    key = write_key(tmp_path / "key")
    cases = [
        (["--slotz", "3"], "--slotz: unknown option", "did you mean --slots?"),
        (["--config", file], f"{file}:2:8: slots:", None),
        (["--join", "10.0.0.1"], "--join: no key", "--key FILE"),
        (["--init", "--key", key], "--bind ADDR:PORT is missing", None),
        (["--bind", "0.0.0.0", "--init", "--key", key], "--bind: a wildcard", "--advertise"),
        (["--name", "a b", "--init"], "--name:", None),
    ]
    for options, message, hint in cases:
        code, out, err = run("--dir", directory, *options)
        assert (code, out) == (2, ""), err
        lines = err.splitlines()
        assert lines[0].startswith("schedd: " + message)
        assert (hint is None and len(lines) <= 2) or hint in lines[1]
    code, _, err = run("--dir", directory, "--init", environment={"SCHEDD_SLOTS": "0"})
    assert code == 2 and err.startswith("schedd: SCHEDD_SLOTS:")
    assert not directory.exists()


def test_a_new_store_wants_init_or_join_and_an_old_one_neither(tmp_path, start):
    code, _, err = run("--dir", tmp_path / "a")
    assert code == 2
    assert "belongs to no cluster yet" in err and "hint: --init makes a new cluster" in err
    assert not (tmp_path / "a").exists()
    first = start("a", "--init").ready()
    assert first.stop() == 0
    second = start("a").ready()
    assert second.node == first.node
    assert second.boot > first.boot
    assert second.stop() == 0


# ---- files ----


def test_a_key_that_others_may_read_or_that_changed_is_refused(tmp_path, start):
    options = ["--dir", tmp_path / "a", "--init", "--bind", ADDRESS.format(1), "--key"]
    code, _, err = run(*options, tmp_path / "none")
    assert code == 1 and "No such file" in err and "schedctl key new" in err
    code, _, err = run(*options, write_key(tmp_path / "open", mode=0o640))
    assert code == 1 and "mode 0640" in err and "hint: chmod 600" in err
    agent = start("a", "--init", "--bind", ADDRESS.format(1), "--key", write_key(tmp_path / "key")).ready()
    assert agent.stop() == 0
    code, _, err = run(*options, write_key(tmp_path / "other", "cd"))
    assert code == 1 and "which is the one in force" in err
    # The ring in the store wins: the file is not needed any more.
    agent = start("a", "--bind", ADDRESS.format(1)).ready()
    assert ADDRESS.format(1) in agent.log()


def test_a_second_agent_on_the_directory_names_the_first(tmp_path, start):
    agent = start("a", "--init").ready()
    code, _, err = run("--dir", tmp_path / "a")
    assert code == 1 and str(agent.process.pid) in err
    assert agent.process.poll() is None


def test_a_directory_that_others_may_enter_is_refused(tmp_path):
    (tmp_path / "a").mkdir(mode=0o755)
    (tmp_path / "a").chmod(0o755)
    code, _, err = run("--dir", tmp_path / "a", "--init")
    assert code == 1 and "hint: chmod" in err


def test_the_socket_is_the_owners_and_a_stale_one_is_replaced(start):
    agent = start("a", "--init").ready()
    assert agent.socket_path().stat().st_mode & 0o777 == 0o600
    for path in agent.directory.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    agent.process.kill()
    agent.process.wait()
    assert agent.socket_path().exists()
    again = start("a").ready()
    assert again.node == agent.node and again.boot > agent.boot
    assert again.stop() == 0
    assert not again.socket_path().exists()


# ---- signals ----


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(start, number):
    agent = start("a", "--init").ready()
    begin = time.monotonic()
    assert agent.stop(number) == 0
    assert time.monotonic() - begin < 2.5


def test_hup_changes_nothing(start):
    agent = start("a", "--init").ready()
    agent.process.send_signal(signal.SIGHUP)
    agent.await_log("signal HUP")
    assert agent.process.poll() is None


# ---- the network ----


def inet_sockets(pid):
    """Lines of the kernel's tables that are sockets of this process."""
    inodes = set()
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(fd))
        if found:
            inodes.add(found.group(1))
    lines = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            if line.split()[9] in inodes:
                lines.append(table)
    return sorted(lines)


def test_without_a_key_no_port_is_opened(tmp_path, start):
    agent = start("a", "--init", "--bind", ADDRESS.format(1)).ready()
    assert inet_sockets(agent.process.pid) == []
    assert "no key: no port is opened" in agent.log()
    keyed = start("b", "--init", "--bind", ADDRESS.format(2), "--key", write_key(tmp_path / "key")).ready()
    assert inet_sockets(keyed.process.pid) == ["tcp", "udp"]


def test_every_descriptor_is_closed_on_exec(tmp_path, start):
    agent = start("a", "--init", "--bind", ADDRESS.format(1), "--key", write_key(tmp_path / "key")).ready()
    for info in pathlib.Path(f"/proc/{agent.process.pid}/fdinfo").iterdir():
        if int(info.name) > 2:
            flags = int(re.search(r"flags:\s*(\d+)", info.read_text()).group(1), 8)
            assert flags & CLOSE_ON_EXEC, os.readlink(f"/proc/{agent.process.pid}/fd/{info.name}")


def test_an_address_that_is_taken_is_named(tmp_path, start):
    key = write_key(tmp_path / "key")
    start("a", "--init", "--bind", ADDRESS.format(1), "--key", key).ready()
    code, _, err = run("--dir", tmp_path / "b", "--init", "--bind", ADDRESS.format(1), "--key", key)
    assert code == 1
    assert ADDRESS.format(1) in err and "ddress already in use" in err


def test_a_joiner_with_another_key_says_which_keys_they_are(tmp_path, start):
    start("a", "--init", "--bind", ADDRESS.format(1), "--key", write_key(tmp_path / "key")).ready()
    other = start("b", "--join", ADDRESS.format(1), "--bind", ADDRESS.format(2),
                  "--key", write_key(tmp_path / "other", "cd")).ready()
    found = other.await_log(r"this agent's key has id ([0-9a-f]{4}), the agent at (\S+) uses ([0-9a-f]{4})")
    assert found.group(1) != found.group(3)
    assert found.group(2) == ADDRESS.format(1)


def test_noise_from_the_network_is_dropped_and_told_once(tmp_path, start):
    agent = start("a", "--init", "--bind", ADDRESS.format(1), "--key", write_key(tmp_path / "key")).ready()
    host, port = ADDRESS.format(1).split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noise:
        for i in range(300):
            noise.sendto(os.urandom(i * 5), (host, int(port)))
    for text in (b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x2cPSST" + bytes(40), b"\xff" * 100, b""):
        with socket.create_connection((host, int(port))) as stream:
            stream.sendall(text)
            if text:
                stream.settimeout(5)
                try:
                    assert stream.recv(1) == b""
                except ConnectionResetError:
                    pass
    agent.await_log("udp dropped")
    assert agent.log().count("not a packet of ours") == 1
    assert agent.stop() == 0


def test_an_agent_alone_sleeps(tmp_path, start):
    agent = start("a", "--init", "--bind", ADDRESS.format(1), "--key", write_key(tmp_path / "key")).ready()
    time.sleep(1)
    before = agent.switches()
    time.sleep(3)
    assert agent.switches() - before <= 3


# ---- the runner ----


def test_the_runner_may_come_and_go(tmp_path, start):
    agent = start("a", "--init").ready()
    for _ in range(2):
        runner = subprocess.Popen([str(RUNNER), "--dir", str(agent.directory)], stderr=subprocess.DEVNULL)
        try:
            agent.await_log("runner up version=")
            agent.seen = agent.log_path.stat().st_size
        finally:
            runner.kill()
            runner.wait()
        agent.await_log("runner down")
        agent.seen = agent.log_path.stat().st_size
    assert agent.stop() == 0
