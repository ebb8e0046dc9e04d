"""Clusters of real agents and runners, by scripts/cluster-up; in network namespaces where we are root, else on loopback.

What the programs wrote into their logs is shown when a test fails; a report of a sanitizer in them fails the test.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("SCHED_BUILD", os.environ.get("BUILD_DIR", "build/release"))
BIN = BUILD / "bin"
HAS_NAMESPACES = os.geteuid() == 0 and shutil.which("ip") is not None
SANITIZER_WORDS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:", "Assertion")
LOG_LINES_SHOWN = 10
IS_SLOW_BUILD = "asan" in BUILD.name or "tsan" in BUILD.name


def wait_until(condition, seconds=10.0, what="it", every=0.05):
    """The first true value of condition(); an assertion that names what did not come."""
    deadline = time.monotonic() + seconds * (3 if IS_SLOW_BUILD else 1)
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come in {seconds} s"
        time.sleep(every)


class Answer:
    """What a command left: code, out, err."""

    def __init__(self, process):
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr

    def rows(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return f"exit {self.code}\n{self.out}{self.err}"


def run_program(program, *words, stdin="", timeout=20, env=None):
    process = subprocess.run(
        [str(BIN / program), *map(str, words)], input=stdin, text=True, capture_output=True, timeout=timeout,
        env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}, check=False)
    return Answer(process)


def stat_of(pid):
    """The words of /proc/PID/stat from the state on; None: no such process, or a zombie."""
    try:
        words = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if words[0] == "Z" else words


def has_ended(pid):
    """True once all its descriptors are closed: a process that is ending still looks as if it listened."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Cluster:
    """`count` agents n1.. with their runners, in a short directory (the path of a socket has few bytes)."""

    def __init__(self, count=3, options=(), agent_options=(), use_namespaces=HAS_NAMESPACES):
        self.count = count
        self.names = [f"n{i}" for i in range(1, count + 1)]
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="psc-"))
        self.options = list(options) + (["--netns"] if use_namespaces else [])
        self.agent_options = list(agent_options)
        self.base = self.directory / "c"

    def up(self):
        command = [str(ROOT / "scripts/cluster-up"), *self.options, str(self.count), str(self.base)]
        if self.agent_options:
            command += ["--", *self.agent_options]
        begin = time.monotonic()
        process = subprocess.run(command, text=True, capture_output=True, timeout=120, check=False,
                                 env={**os.environ, "SCHED_BUILD": str(BUILD)})
        self.up_s = time.monotonic() - begin
        assert process.returncode == 0, process.stdout + process.stderr + self.logs(LOG_LINES_SHOWN)
        return self

    def down(self):
        process = subprocess.run([str(ROOT / "scripts/cluster-down"), str(self.base)], text=True,
                                 capture_output=True, timeout=60, check=False)
        found = [line for line in self.logs().splitlines() if any(word in line for word in SANITIZER_WORDS)]
        text = self.logs()
        shutil.rmtree(self.directory, ignore_errors=True)
        assert process.returncode == 0, process.stdout + process.stderr
        assert not found, text

    # ---- processes ----

    def pid(self, name, program="schedd"):
        """The pid, if that process (and no other of the same number) still runs."""
        words = (self.base / name / f"{program}.pid").read_text().split()
        stat = stat_of(int(words[0]))
        return int(words[0]) if stat is not None and stat[19] == words[1] else None

    def kill(self, name, number=signal.SIGKILL, program="schedd"):
        pid = self.pid(name, program)
        assert pid is not None, f"{program} of {name} does not run"
        os.kill(pid, number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            wait_until(lambda: has_ended(pid), 15, f"the end of {program} of {name}", 0.01)

    def start(self, name):
        """Starts what of it does not run, with the options of the first time, and waits until it answers."""
        subprocess.run([str(ROOT / "scripts/cluster-up"), "--again", name, str(self.base)], check=True, timeout=30,
                       env={**os.environ, "SCHED_BUILD": str(BUILD)})
        wait_until(lambda: self.ctl(name, "node", "ls").code == 0, 10, f"{name}'s answer", 0.02)

    def alive(self, name):
        """Names of the nodes that this one holds for alive."""
        answer = self.ctl(name, "node", "ls", "--json")
        return {row["name"] for row in answer.rows() if row["state"] == "alive"} if answer.code == 0 else set()

    # ---- the command line ----

    def socket(self, name):
        return str(self.base / name / "schedd.sock")

    def ctl(self, name, *words, stdin="", timeout=30):
        return run_program("schedctl", *words, stdin=stdin, timeout=timeout, env={"SCHED_SOCKET": self.socket(name)})

    def ok(self, name, *words, stdin=""):
        answer = self.ctl(name, *words, stdin=stdin)
        assert answer.code == 0, f"schedctl {' '.join(words)} on {name}: {answer}"
        return answer

    def rows(self, name, *words):
        return self.ok(name, *words, "--json").rows()

    def runs(self, name="n1", *words):
        """All run rows that `schedctl runs` has, page by page."""
        rows, after = [], ()
        while True:
            document = json.loads(self.ok(name, "runs", *words, "--limit", "1000", *after, "--json=doc").out)
            items = document["items"]
            rows += items
            token = document.get("next")
            if not token:
                return rows
            after = ("--after", token)

    def apply(self, name, text):
        return self.ok(name, "apply", "-f", "-", stdin=text)

    def logs(self, lines_max=1 << 30):
        parts = []
        for path in sorted(self.base.glob("n*/*.log")):
            lines = path.read_text(errors="replace").splitlines()
            parts.append(f"--- {path.parent.name}/{path.name}\n" + "\n".join(lines[-lines_max:]) + "\n")
        return "".join(parts)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the ends of the logs of the clusters it used."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Cluster):
                report.sections.append(("logs of the cluster", value.logs(LOG_LINES_SHOWN)))


def make_cluster(**arguments):
    cluster = Cluster(**arguments)
    try:
        yield cluster.up()
    finally:
        cluster.down()


@pytest.fixture(scope="module")
def three():
    """Three agents; n1 made the cluster and votes on everything. Ids are fixed, so placement is the same each time."""
    yield from make_cluster(options=["--fixed-ids"], agent_options=["--slots", "64"])


@pytest.fixture(scope="module")
def voters():
    """Three agents that all vote on every arc."""
    yield from make_cluster(options=["--birth-three"], agent_options=["--slots", "64"])
