"""schedctl against an agent of fixed data.

Outputs are compared with the files of expected/; after a change that is meant, look at what differs and run
    UPDATE_EXPECTED=1 /usr/bin/python3 -m pytest tests/cli
"""
import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "lib"))

from fake_agent import FakeAgent  # noqa: E402

PROGRAM = ROOT / os.environ.get("BUILD_DIR", "build/release") / "bin" / "schedctl"


class Answer:
    def __init__(self, process):
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr

    def lines(self):
        """Each line of stdout as JSON."""
        return [json.loads(line) for line in self.out.splitlines()]

    def document(self):
        return json.loads(self.out)

    def error(self):
        """The error object: all that is on stderr, with nothing on stdout."""
        assert self.out == ""
        return json.loads(self.err)["error"]


class Ctl:
    def __init__(self, socket_path):
        self.socket_path = socket_path

    def environment(self):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SCHED_")}
        return {**environment, "SCHED_SOCKET": self.socket_path, "LC_ALL": "C.UTF-8"}

    def __call__(self, *words, stdin="", binary=False, timeout=20):
        process = subprocess.run(
            [str(PROGRAM), *words], input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True, env=self.environment(), timeout=timeout)
        if not binary:
            process.stdout = process.stdout.decode()
            process.stderr = process.stderr.decode()
        return Answer(process)


@pytest.fixture
def agent(tmp_path):
    with FakeAgent(str(tmp_path / "s")) as fake:
        yield fake


@pytest.fixture
def ctl(agent):
    return Ctl(agent.path)


@pytest.fixture
def lonely(tmp_path):
    """schedctl without an agent."""
    return Ctl(str(tmp_path / "nobody"))


@pytest.fixture
def expected():
    def compare(name, text):
        path = HERE / "expected" / name
        if os.environ.get("UPDATE_EXPECTED"):
            path.write_text(text)
        assert text == path.read_text(), f"differs from {path.name}"

    return compare
