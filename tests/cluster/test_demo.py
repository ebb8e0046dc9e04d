"""The demo and the scripts under it: they end what they started, on every way out."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest
from conftest import BUILD, HAS_NAMESPACES, ROOT, Cluster, wait_until

sys.path.insert(0, str(ROOT / "tests" / "lib"))

from terminal import Terminal  # noqa: E402

ENVIRONMENT = {"SCHED_BUILD": str(BUILD), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}


@pytest.fixture
def scratch():
    """A short TMPDIR of the demo's own, which must be empty at the end."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="psd-"))
    yield directory
    left = list(directory.iterdir())
    shutil.rmtree(directory)
    assert left == [], left


def processes_in(directory):
    """Command lines of agents and runners that work below that directory."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line and "schedd" in line:
            found.append(line)
    return found


def test_without_a_terminal_the_demo_tells_its_summary_and_ends(scratch):
    process = subprocess.run([ROOT / "scripts/demo"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90,
                             env={**ENVIRONMENT, "TMPDIR": str(scratch)}, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    for title in ("MEMBERS", "JOBS", "RUNS PER AGENT", "LAST VERDICTS"):
        assert f"\n{title}\n" in process.stdout, process.stdout
    assert process.stdout.count("  ok   ") == 4 and "BAD" not in process.stdout, process.stdout
    assert processes_in(scratch) == []


def test_on_a_terminal_the_demo_opens_the_console_and_ends_with_it(scratch):
    with Terminal([str(ROOT / "scripts/demo")], rows=30, columns=100, env={**ENVIRONMENT, "TMPDIR": str(scratch)}) as terminal:
        terminal.wait_for("web/ping", 30)
        terminal.wait_for("3/3 nodes", 15)
        terminal.wait_for("ran-ok", 15)
        terminal.send("2")
        terminal.wait_for("127.77.", 10)
        terminal.send("q")
        assert terminal.wait_exit(30) == 0
    assert processes_in(scratch) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_ended_ends_its_agents(scratch, number):
    process = subprocess.Popen([ROOT / "scripts/demo"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env={**ENVIRONMENT, "TMPDIR": str(scratch)})
    wait_until(lambda: len(processes_in(scratch)) >= 6, 15, "its agents")
    process.send_signal(number)
    assert process.wait(30) == 128 + number
    assert processes_in(scratch) == []


# ---- cluster-up and cluster-down ----


def up(*words):
    return subprocess.run([ROOT / "scripts/cluster-up", *map(str, words)], capture_output=True, text=True, timeout=60,
                          env=ENVIRONMENT, check=False)


def test_wrong_words_of_cluster_up_are_refused(scratch):
    for words, code in [([], 2), (["0", scratch / "c"], 2), (["three", scratch / "c"], 2), (["--colour", "3", scratch / "c"], 2),
                        (["--build"], 2), (["--birth-three", "2", scratch / "c"], 1), (["--again", "n1", scratch / "c"], 1),
                        (["--build", "/no/such", "1", scratch / "c"], 1)]:
        answer = up(*words)
        assert answer.returncode == code and answer.stderr, (words, answer)
    assert not (scratch / "c").exists()


def test_a_cluster_that_can_not_start_leaves_nothing(scratch):
    answer = up("2", scratch / "c", "--", "--no-such-option")
    is_told = answer.returncode == 1 and "--no-such-option: unknown option" in answer.stderr
    left = processes_in(scratch), (scratch / "c" / "cluster.env").exists()
    shutil.rmtree(scratch / "c")
    assert is_told and left == ([], False), (answer, left)


def test_a_directory_with_a_cluster_takes_no_second_one_and_down_is_idempotent():
    cluster = Cluster(count=1, use_namespaces=False)
    try:
        cluster.up()
        answer = up("1", cluster.base)
        assert answer.returncode == 1 and "cluster-down" in answer.stderr
        assert cluster.ctl("n1", "node", "ls").code == 0
        down = [str(ROOT / "scripts/cluster-down"), str(cluster.base)]
        assert subprocess.run(down, check=False).returncode == 0
        assert processes_in(cluster.base) == []
        assert subprocess.run(down, check=False).returncode == 0
    finally:
        cluster.down()


@pytest.mark.skipif(not HAS_NAMESPACES, reason="namespaces need root")
def test_namespaces_are_gone_after_cluster_down():
    cluster = Cluster(count=2, use_namespaces=True)
    try:
        cluster.up()
        number = [line for line in (cluster.base / "cluster.env").read_text().splitlines() if line.startswith("number=")]
        prefix = "ps" + number[0].split("=")[1] + "-"
        assert prefix + "n1" in subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    finally:
        cluster.down()
    assert prefix not in subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    assert prefix not in subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout
