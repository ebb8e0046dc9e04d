"""The main job end to end, with real agents, runners and files: join, add, fire on all, die, come back.

Jobs write what they did into files; these, and not what the agents say, are the truth that is compared with.
"""
import collections
import concurrent.futures
import datetime
import signal
import time

import pytest
from conftest import HAS_NAMESPACES, IS_SLOW_BUILD, Cluster, wait_until
from starts import each, fire_time, record_job, remove, settle, starts_in

FIRED_JOBS = 60


# ---- join and add ----


def test_three_agents_see_one_another_within_a_second(three):
    for name in three.names:
        rows = three.rows(name, "node", "ls")
        assert {(row["name"], row["state"], row["runner"]) for row in rows} == {
            (other, "alive", True) for other in three.names}
        assert [row["name"] for row in rows if row["self"]] == [name]
    assert len({row["id"] for row in three.rows("n1", "node", "ls")}) == 3


def test_a_job_added_at_any_agent_is_listed_by_all(three):
    for name in three.names:
        three.ok(name, "job", "add", f"spread/by-{name}", "--cron", "0 0 1 1 *", "--", "true")
    begin = time.monotonic()
    for name in three.names:
        def lists_all(name=name):
            rows = three.rows(name, "job", "ls", "--group", "spread")
            return {row["name"] for row in rows} == {f"spread/by-{other}" for other in three.names}
        wait_until(lists_all, 5, f"all jobs in the list of {name}")
    assert time.monotonic() - begin < 5 or IS_SLOW_BUILD
    shown = three.rows("n3", "job", "show", "spread/by-n2")[0]
    assert shown["version"] >= 1 and len(shown["next_fires"]) == 3
    # A name in use is not replaced; and on which agent that is asked makes no difference.
    again = three.ctl("n2", "job", "add", "spread/by-n3", "--every", "1h", "--", "false")
    assert again.code == 5 and "exists" in again.err
    remove(three, [f"spread/by-{name}" for name in three.names])
    wait_until(lambda: not three.rows("n3", "job", "ls", "--group", "spread"), 5, "their end on n3")


def test_the_same_request_twice_is_one_job(three):
    first = three.ok("n2", "job", "add", "twice/job", "--every", "1h", "--id", "request-1", "--", "true")
    again = three.ctl("n3", "job", "add", "twice/job", "--every", "1h", "--id", "request-1", "--", "true")
    assert again.code == 0, again
    assert first.out.split()[0] == again.out.split()[0]
    assert three.rows("n1", "job", "show", "twice/job")[0]["version"] == 1
    remove(three, ["twice/job"])


# ---- fire on all ----


def test_sixty_jobs_run_on_all_three_once_a_fire(three):
    directory = three.directory / "sixty"
    directory.mkdir()
    names = [f"fire/job-{i:02}" for i in range(FIRED_JOBS)]
    three.apply("n1", "---\n".join(record_job(name, directory) for name in names))
    wait_until(lambda: len(starts_in(directory)) >= 3 * FIRED_JOBS, 30, "three fires of each job", 0.2)
    each(three, names, "job", "pause")
    settle(three, "fire/")
    starts = starts_in(directory)

    # Exactly one start per run, and each fire has one run.
    runs = [start[0] for start in starts]
    assert len(set(runs)) == len(runs), collections.Counter(runs).most_common(3)
    assert len({run.split("/0#")[0] for run in runs}) == len(runs)
    # Every job fired, and each agent has its share.
    assert {run.split("@")[0] for run in runs} == set(names)
    share = collections.Counter(node for _, node, _ in starts)
    for name in three.names:
        assert 0.20 <= share[name] / len(starts) <= 0.47, share
    # The fence rises from start to start of a job.
    fences = collections.defaultdict(list)
    for run, _, fence in sorted(starts):
        fences[run.split("@")[0]].append(int(fence))
    assert all(row == sorted(set(row)) for row in fences.values())

    # What the agents say is what the files say, whichever is asked.
    for name in three.names:
        told = [run for run in three.runs(name)
                if run["job"].startswith("fire/") and run["node"] and run["state"] != "released"]
        assert {(run["run"], run["node"]) for run in told} == {start[:2] for start in starts}
        assert {run["verdict"] for run in told} == {"ran-ok"}
        assert all(run["exit"] == 0 and run["started"] and run["ended"] for run in told)
    # Fires after the pause are skipped, with a reason; none is undecided.
    skipped = [run for run in three.runs() if run["job"].startswith("fire/") and not run["node"]]
    assert {(run["verdict"], run["reason"]) for run in skipped} <= {("skipped", "paused")}
    assert three.rows("n1", "status")[0]["undecided"] == 0
    for name in three.names:
        executed = [row["executed"] for row in three.rows(name, "node", "ls") if row["self"]][0]
        assert executed >= share[name]
    remove(three, names)


def test_a_fire_starts_on_its_moment_and_not_before(three):
    three.ok("n2", "job", "add", "when/at", "--at", "+3s", "--", "true")
    three.ok("n3", "job", "add", "when/cron", "--cron", "*/2 * * * * *", "--yes-often", "--", "true")
    def ended():
        rows = [run for run in three.runs("n1") if run["job"].startswith("when/") and run["state"] == "ended"]
        return rows if {run["job"] for run in rows} == {"when/at", "when/cron"} and len(rows) >= 4 else None
    rows = wait_until(ended, 15, "the runs of both")
    assert all(0 <= run["late_us"] < (1_000_000 if IS_SLOW_BUILD else 300_000) for run in rows), rows
    assert sum(run["job"] == "when/at" for run in rows) == 1
    assert three.rows("n1", "job", "show", "when/at")[0]["state"] == "exhausted"
    assert all(int(run["due"][17:19]) % 2 == 0 for run in rows if run["job"] == "when/cron")
    remove(three, ["when/at", "when/cron"])


def test_ends_of_every_kind_have_their_verdict_and_output(three):
    documents = {
        "ends/ok": "shell: echo fine; echo apart >&2",
        "ends/three": "shell: echo bad >&2; exit 3",
        "ends/signal": "shell: kill -SEGV $$",
        "ends/absent": "command: [/no/such/program]",
        "ends/slow": "timeout: 1s\nkill_grace: 1s\nshell: echo begun; sleep 30",
    }
    three.apply("n2", "---\n".join(f"job: {name}\nmanual: true\n{text}\n" for name, text in documents.items()))
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        asked = {name: pool.submit(three.ctl, "n3", "run", name, "--wait", "--json") for name in documents}
    rows = {name: answer.result().rows()[0] for name, answer in asked.items()}
    codes = {name: answer.result().code for name, answer in asked.items()}
    assert codes == {"ends/ok": 0, "ends/three": 1, "ends/signal": 1, "ends/absent": 1, "ends/slow": 1}
    said = {name: (row["verdict"], row["reason"]) for name, row in rows.items()}
    assert said["ends/ok"][0] == "ran-ok" and said["ends/three"] == ("failed", "3")
    assert said["ends/signal"] == ("killed", "SEGV")
    assert said["ends/absent"] == ("failed", "spawn ENOENT") and said["ends/slow"][0] == "timeout"
    # Output is read through any agent, wherever it was written.
    for name in three.names:
        lines = three.ok(name, "logs", rows["ends/ok"]["short"]).out.splitlines()
        assert [line.split(" ", 3)[2:] for line in lines if " ! " not in line] == [
            [rows["ends/ok"]["short"], "o fine"], [rows["ends/ok"]["short"], "e apart"]]
    assert "begun" in three.ok("n1", "logs", "ends/slow").out
    remove(three, documents)


def test_a_run_is_killed_on_demand_with_all_its_processes(three):
    three.apply("n1", "job: kill/me\nmanual: true\nkill_grace: 1s\nshell: trap '' TERM; sleep 60 & sleep 60; sleep 60\n")
    run = three.rows("n2", "run", "kill/me")[0]
    wait_until(lambda: [row for row in three.runs() if row["run"] == run["run"] and row["state"] == "started"], 5, "its start")
    killed = three.ctl("n3", "kill", run["short"], "--yes", "--json")
    assert killed.code == 0, killed
    row = killed.rows()[0]
    assert (row["verdict"], row["reason"], row["processes_left"]) == ("killed", "KILL by root", 0), row
    assert 900 <= row["waited_ms"] < 5000, row
    assert three.ctl("n1", "wait", run["short"]).code == 1
    remove(three, ["kill/me"])


# ---- one dies, and comes back ----


def test_an_agent_that_is_killed_loses_its_jobs_to_others_and_gets_them_back(three):
    directory = three.directory / "failover"
    directory.mkdir()
    names = [f"over/job-{i:02}" for i in range(12)]
    three.apply("n1", "---\n".join(record_job(name, directory, "2s") for name in names))
    by_node = lambda: {node for _, node, _ in starts_in(directory)}  # noqa: E731
    wait_until(lambda: by_node() == set(three.names), 10, "starts on all")
    its_jobs = {run.split("@")[0] for run, node, _ in starts_in(directory) if node == "n3"}
    assert its_jobs
    listed = three.ok("n3", "job", "ls", "--columns", "name").out

    three.kill("n3")
    three.kill("n3", program="schedd-runner")
    killed = time.time()
    wait_until(lambda: three.alive("n1") == {"n1", "n2"}, 20, "n3's failure")

    def goes_on():
        late = [start for start in starts_in(directory) if start[1] != "n3" and start[0].split("@")[0] in its_jobs]
        return its_jobs == {start[0].split("@")[0] for start in late}
    wait_until(goes_on, 20, "its jobs elsewhere", 0.2)
    print(f"its jobs ran elsewhere {time.time() - killed:.1f} s after the kill")

    three.start("n3")
    wait_until(lambda: three.alive("n3") == set(three.names) and three.alive("n1") == set(three.names), 15, "its return")
    assert three.ok("n3", "job", "ls", "--columns", "name").out == listed
    before = len([1 for _, node, _ in starts_in(directory) if node == "n3"])
    wait_until(lambda: len([1 for _, node, _ in starts_in(directory) if node == "n3"]) > before, 15, "a start on n3")

    each(three, names, "job", "pause")
    settle(three, "over/")
    starts = starts_in(directory)
    runs = [start[0] for start in starts]
    assert len(set(runs)) == len(runs)
    assert len({run.split("/0#")[0] for run in runs}) == len(runs)
    # Every run that the files know is told as such; what never started is told as lost, and only around the kill.
    told = {run["run"]: run for run in three.runs()
            if run["job"].startswith("over/") and run["node"] and run["state"] != "released"}
    assert set(runs) <= set(told)
    for name, run in told.items():
        if name in runs and run["node"] != "n3":
            assert run["verdict"] == "ran-ok", run
        elif name not in runs:
            assert run["verdict"] in ("lost", "missed") and run["node"] == "n3", run
    wait_until(lambda: three.rows("n1", "status")[0]["undecided"] == 0, 15, "a verdict for each fire")
    remove(three, names)


@pytest.mark.parametrize("who", ["n2", "n1"])
def test_a_run_survives_its_agent(three, who):
    """kill -9 in mid-run: the run goes on under the runner, and its end, output and verdict are all there."""
    names = [f"mid/{who}-{i}" for i in range(8)]
    shell = "shell: echo begun; sleep 2.5; echo still here >&2; sleep 0.5; echo done; exit 4"
    three.apply("n3", "---\n".join(f"job: {name}\nmanual: true\n{shell}\n" for name in names))
    started = [three.rows("n3", "run", name)[0] for name in names]
    mine = [run for run in started if run["node"] == who]
    assert mine, started
    wait_until(lambda: {row["run"] for row in three.runs("n3", "--state", "started")} >= {run["run"] for run in started},
               5, "the start of all")
    three.kill(who)
    time.sleep(1.0)
    three.start(who)
    for run in started:
        answer = three.ctl("n3", "wait", run["short"], "--timeout", "20s", "--json")
        assert answer.code == 1, (run, answer)
        row = answer.rows()[0]
        assert (row["verdict"], row["reason"], row["exit"], row["node"]) == ("failed", "4", 4, run["node"]), row
        assert 2900 <= row["dur_ms"] < 8000
    for run in mine:
        lines = three.ok("n3", "logs", run["short"]).out.splitlines()
        assert [line.split(" ", 4)[3:] for line in lines if " ! " not in line] == [
            ["o", "begun"], ["e", "still here"], ["o", "done"]], lines
    remove(three, names)


def test_a_run_that_ends_while_its_agent_is_away_is_told_when_it_is_back(three):
    names = [f"away/{i}" for i in range(6)]
    three.apply("n1", "---\n".join(f"job: {name}\nmanual: true\nshell: sleep 0.7; echo over\n" for name in names))
    started = [three.rows("n1", "run", name)[0] for name in names]
    mine = [run for run in started if run["node"] == "n2"]
    assert mine, started
    wait_until(lambda: {row["run"] for row in three.runs("n1", "--state", "started")} >= {run["run"] for run in mine},
               5, "their start")
    three.kill("n2")
    time.sleep(1.5)
    three.start("n2")
    for run in mine:
        row = three.ctl("n1", "wait", run["short"], "--timeout", "20s", "--json").rows()[0]
        assert (row["verdict"], row["node"]) == ("ran-ok", "n2")
        started_at, ended_at = (datetime.datetime.fromisoformat(row[key].replace("Z", "+00:00"))
                                for key in ("started", "ended"))
        assert abs((ended_at - started_at).total_seconds() - row["dur_ms"] / 1000) < 0.1, row
        assert "over" in three.ok("n1", "logs", run["short"]).out
    remove(three, names)


def test_an_agent_that_leaves_is_not_missed(three):
    three.kill("n3", signal.SIGTERM)
    log = (three.base / "n3" / "schedd.log").read_text()
    assert "Assertion" not in log
    three.start("n3")
    wait_until(lambda: three.alive("n1") == set(three.names), 15, "its return")


# ---- three voters ----


def test_with_three_voters_the_death_of_one_stops_nothing_and_doubles_nothing(voters):
    directory = voters.directory / "votes"
    directory.mkdir()
    names = [f"vote/job-{i:02}" for i in range(60)]  # more than an agent has wide buffers
    voters.apply("n2", "---\n".join(record_job(name, directory, "2s") for name in names))
    wait_until(lambda: {node for _, node, _ in starts_in(directory)} == set(voters.names), 10, "starts on all")
    voters.kill("n1")
    dead_at = time.time()

    def runs_after():
        return {run.split("@")[0] for run, node, _ in starts_in(directory) if node != "n1" and fire_time(run) > dead_at + 1}
    wait_until(lambda: runs_after() == set(names), 25, "every job on the other two", 0.2)
    print(f"every job ran again {time.time() - dead_at:.1f} s after the kill")
    # With two of three, changes are decided too.
    voters.ok("n3", "job", "add", "vote/new", "--every", "1h", "--", "true")
    voters.start("n1")
    wait_until(lambda: voters.alive("n2") == set(voters.names), 15, "its return")
    wait_until(lambda: "vote/new" in voters.ok("n1", "job", "ls").out, 10, "the new job on n1")
    before = len([1 for _, node, _ in starts_in(directory) if node == "n1"])
    wait_until(lambda: len([1 for _, node, _ in starts_in(directory) if node == "n1"]) > before, 15, "a start on n1")
    for name in names:
        voters.ok("n2", "job", "pause", name)
    settle(voters, "vote/")
    runs = [start[0] for start in starts_in(directory)]
    assert len(set(runs)) == len(runs)
    assert len({run.split("/0#")[0] for run in runs}) == len(runs)
    told = {run["run"]: run["verdict"] for run in voters.runs("n2") if run["node"]}
    assert set(runs) <= set(told)
    assert {told[run] for run in runs} <= {"ran-ok", "lost"}, collections.Counter(told.values())
    assert [told[run] for run in runs].count("ran-ok") >= len(runs) - len(names)


def test_without_a_majority_nothing_starts_and_changes_are_refused(voters):
    voters.ok("n1", "job", "add", "major/tick", "--every", "1s", "--", "true")
    wait_until(lambda: voters.runs("n1", "--job", "major/tick", "--verdict", "ran-ok"), 8, "a first run")
    voters.kill("n2")
    voters.kill("n3")
    refused = voters.ctl("n1", "job", "add", "major/new", "--every", "1h", "--deadline", "4s", "--", "true")
    assert refused.code in (6, 7), refused
    assert refused.err.startswith("schedctl: "), refused
    quiet_from = time.time()
    time.sleep(4)
    voters.start("n2")
    voters.start("n3")
    wait_until(lambda: voters.alive("n1") == set(voters.names), 15, "their return")
    first = wait_until(lambda: [run for run in voters.runs("n1", "--job", "major/tick", "--verdict", "ran-ok")
                                if fire_time(run["run"]) > quiet_from + 4], 20, "runs again")
    assert first
    started = [fire_time(run["run"]) for run in voters.runs("n1", "--job", "major/tick") if run["started"]]
    assert not [at for at in started if quiet_from + 1.5 < at < quiet_from + 3], started
    voters.ok("n1", "job", "rm", "major/tick", "--yes", "--let-finish")


# ---- many clusters, and none left behind ----


@pytest.mark.skipif(not HAS_NAMESPACES, reason="namespaces need root")
def test_two_clusters_on_one_host_do_not_meet(three):
    other = Cluster(count=1, use_namespaces=False)
    try:
        other.up()
        assert [row["name"] for row in other.rows("n1", "node", "ls")] == ["n1"]
        assert len(three.rows("n1", "node", "ls")) == 3
    finally:
        other.down()
