"""Faults that real networks, hosts and people bring: nothing starts twice, and every fire gets its verdict."""
import os
import signal
import subprocess
import time

import pytest
from conftest import HAS_NAMESPACES, make_cluster, wait_until
from starts import check_once, each, fire_time, record_job, settle, starts_in

PERIOD_S = 2


@pytest.fixture(scope="module")
def alone():
    """Three agents of which n1 alone votes."""
    yield from make_cluster(options=["--fixed-ids"], agent_options=["--slots", "64"])


def begin(cluster, group, count):
    directory = cluster.directory / group
    directory.mkdir()
    names = [f"{group}/job-{i:02}" for i in range(count)]
    cluster.apply("n1", "---\n".join(record_job(name, directory, f"{PERIOD_S}s") for name in names))
    wait_until(lambda: {node for _, node, _ in starts_in(directory)} == set(cluster.names), 12, "starts on all")
    return directory, names


def end(cluster, directory, names, group, away=None):
    """Ends the jobs, and holds what the files say against what every agent tells. A voter that was away has heard
    of no run meanwhile; of those that it knows it says the same."""
    wait_until(lambda: all(cluster.alive(name) == set(cluster.names) for name in cluster.names), 40, "one cluster again")
    each(cluster, names, "job", "pause")
    settle(cluster, group + "/")
    wait_until(lambda: cluster.rows("n1", "status")[0]["undecided"] == 0, 20, "a verdict for each fire")
    starts = starts_in(directory)
    check_once(starts)
    told = {}
    for name in cluster.names:
        # An attempt that was released never started, and has no verdict; its fire has another run, or one without a node.
        runs = [run for run in cluster.runs(name) if run["job"] in names and run["node"] and run["state"] != "released"]
        assert not [run for run in runs if run["verdict"] is None], name
        told[name] = {run["run"]: run["verdict"] for run in runs}
        assert name == away or {start[0] for start in starts} <= set(told[name]), name
        assert told[name].items() <= told["n1"].items() if name == away else told[name] == told["n1"], name
    return starts, told["n1"]


def starts_after(directory, moment):
    return {run.split("@")[0] for run, _, _ in starts_in(directory) if fire_time(run) > moment}


@pytest.mark.skipif(not HAS_NAMESPACES, reason="a cut needs namespaces, and these root")
def test_a_voter_that_is_cut_off_starts_nothing_while_the_others_go_on(voters):
    number = (voters.base / "cluster.env").read_text().split("number=")[1].split()[0]
    directory, names = begin(voters, "cut", 24)

    def link(state):
        subprocess.run(["ip", "link", "set", f"ps{number}-v3", state], check=True)
    link("down")
    cut_at = time.time()
    try:
        wait_until(lambda: starts_after(directory, cut_at + 1) == set(names), 30, "every job on the side of two", 0.2)
        # Claims that were decided before the cut may still start there; nothing later does.
        late = [run for run, node, _ in starts_in(directory) if node == "n3" and fire_time(run) > cut_at + 2.5]
        assert late == [], late
        alone = voters.ctl("n3", "job", "add", "cut/new", "--every", "1h", "--deadline", "4s", "--", "true")
        assert alone.code in (6, 7), alone
        voters.ok("n2", "job", "add", "cut/new", "--every", "1h", "--", "true")
    finally:
        link("up")
    wait_until(lambda: all(voters.alive(name) == set(voters.names) for name in voters.names), 40, "one cluster again")
    healed_at = time.time()
    wait_until(lambda: [1 for run, node, _ in starts_in(directory) if node == "n3" and fire_time(run) > healed_at], 20,
               "starts on n3 again")
    wait_until(lambda: "cut/new" in voters.ok("n3", "job", "ls").out, 15, "the new job on n3")
    end(voters, directory, names, "cut", away="n3")


def test_fires_wait_for_the_only_voter_and_get_a_verdict_when_it_is_back(alone):
    directory, names = begin(alone, "wait", 12)
    alone.kill("n1")
    dead_at = time.time()
    time.sleep(5)
    assert starts_after(directory, dead_at + 1.5) == set()
    refused = alone.ctl("n2", "job", "add", "wait/new", "--every", "1h", "--", "true")
    assert refused.code in (6, 7) and "hint: " in refused.err, refused
    # What is known here is still told.
    listed = alone.ctl("n2", "job", "ls")
    assert listed.code == 1 and all(name in listed.out for name in names), listed
    alone.start("n1")
    back_at = time.time()
    wait_until(lambda: starts_after(directory, back_at) == set(names), 20, "every job again", 0.2)
    starts, told = end(alone, directory, names, "wait")
    # misfire: once. What was due while nobody could claim is made up for by one run at most.
    missed = [run for run, _, _ in starts if dead_at + 1.5 < fire_time(run) < back_at - 1]
    assert len(missed) <= len(names), missed
    assert set(told.values()) <= {"ran-ok", "lost"}


def test_an_agent_that_is_stopped_for_a_while_starts_nothing_old(alone):
    directory, names = begin(alone, "stop", 12)
    alone.kill("n3", signal.SIGSTOP)
    stopped_at = time.time()
    try:
        wait_until(lambda: starts_after(directory, stopped_at + 1) == set(names), 25, "its jobs elsewhere", 0.2)
    finally:
        os.kill(alone.pid("n3"), signal.SIGCONT)
    gone_on_at = time.time()
    wait_until(lambda: alone.alive("n1") == set(alone.names), 15, "its return")
    starts, _ = end(alone, directory, names, "stop")
    # A run that was armed for it before, and was not called lost, starts at once or never.
    old = [run for run, node, _ in starts if node == "n3" and stopped_at + 2 < fire_time(run) < gone_on_at - 2]
    assert old == [], old


def test_a_runner_that_is_killed_is_told_and_its_agent_takes_nothing_meanwhile(alone):
    directory, names = begin(alone, "runner", 12)
    alone.kill("n2", program="schedd-runner")
    wait_until(lambda: [row for row in alone.rows("n1", "node", "ls") if row["name"] == "n2" and not row["runner"]], 10,
               "the news that n2 has no runner")
    away_at = time.time()
    wait_until(lambda: starts_after(directory, away_at + 2) == set(names), 15, "every job elsewhere", 0.2)
    assert not [run for run, node, _ in starts_in(directory) if node == "n2" and fire_time(run) > away_at + 2]
    alone.start("n2")
    wait_until(lambda: [1 for run, node, _ in starts_in(directory) if node == "n2" and fire_time(run) > away_at + 2], 20,
               "starts on n2 again")
    end(alone, directory, names, "runner")
