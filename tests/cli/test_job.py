"""job add, show, changes, and apply."""
import time

import msgpack
import pytest


def definition(agent, index=-1):
    """What was sent with the last job.put."""
    return msgpack.unpackb(agent.requests_of("job.put")[index]["definition"])


def test_a_job_is_added_and_its_next_fires_are_told(agent, ctl):
    answer = ctl("job", "add", "web/ping", "--cron", "*/5 * * * *", "--", "curl", "-fsS", "--", "http://x/")
    assert (answer.code, answer.err) == (0, "")
    first, second = answer.out.splitlines()
    assert first == "added web/ping, version 1: every 5 minutes; see: schedctl job show web/ping"
    assert second.startswith("next: 2026-11-20T12:05:00Z  2026-11-20T12:10:00Z")
    assert definition(agent) == {"job": "web/ping", "cron": "*/5 * * * *", "command": ["curl", "-fsS", "--", "http://x/"]}
    sent = agent.requests_of("job.put")[0]
    assert sent["mode"] == "create" and len(sent["id"]) == 32


def test_any_key_is_a_flag_with_dashes_or_underscores(agent, ctl):
    answer = ctl(
        "job", "add", "x", "--every", "90s", "--shell", "echo 'a b' \"$HOME\"", "--start-deadline", "5m",
        "--kill_grace=3s", "--env", "A=1", "--env", "B=a=b", "--ok-exit", "0,3", "--output-max", "64K", "--overlap",
        "allow", "--misfire", "skip", "--umask", "027", "--cwd", "/tmp", "--enabled", "false", "--timeout", "1h30m",
        "--description", "Zürich", "--stdin", "one\ntwo\n", "--never-twice", "--owner", "ana", "--reason", "test")
    assert answer.code == 0, answer.err
    assert definition(agent) == {
        "job": "default/x", "description": "Zürich", "owner": "ana", "every": 90000, "shell": "echo 'a b' \"$HOME\"",
        "stdin": "one\ntwo\n", "env": {"A": "1", "B": "a=b"}, "cwd": "/tmp", "umask": 0o27, "enabled": False,
        "overlap": "allow", "misfire": "skip", "start_deadline": 300000, "on_lost": "report", "on_split": "skip",
        "timeout": 5400000, "kill_grace": 3000, "output.max": 65536, "ok_exit": [0, 3]}
    assert agent.requests_of("job.put")[0]["reason"] == "test"


def test_a_name_in_use_exits_5_and_replace_makes_it_an_edit(agent, ctl):
    words = ["job", "add", "tick", "--every", "3s"]
    answer = ctl(*words, "--", "true")
    assert answer.code == 5
    assert "tick is in use: version 1, owner root" in answer.err and "--replace" in answer.err
    answer = ctl(*words, "--replace", "--", "true")
    assert answer.code == 0 and answer.out.startswith("replaced tick, version 2")
    assert agent.requests_of("job.put")[-1]["mode"] == "replace"
    assert ctl(*words, "--replace", "--", "true").out.startswith("tick: no change")


@pytest.mark.parametrize("when, zone, wanted", [
    ("2027-03-28 02:30", "Europe/Paris", "2027-03-28T01:00:00Z"),  # in a gap: the first instant after it
    ("2027-10-31 02:30", "Europe/Paris", "2027-10-31T00:30:00Z"),  # twice: the first of them
    ("2027-01-01T00:00:00+05:30", "Europe/Paris", "2026-12-31T18:30:00Z"),
    ("2027-01-01", "America/New_York", "2027-01-01T05:00:00Z"),
    ("2027-01-01T12:00", None, "2027-01-01T12:00:00Z"),
])
def test_at_is_resolved_in_the_zone_and_told(agent, ctl, when, zone, wanted):
    answer = ctl("job", "add", "once", "--at", when, *(["--tz", zone] if zone else []), "--", "true")
    assert answer.code == 0, answer.err
    assert answer.out.startswith(f"at {wanted}")
    if zone:
        assert zone in answer.out.splitlines()[0]
    sent = definition(agent)["at"]
    assert time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(sent // 1000)) == wanted


def test_relative_times_count_from_now(agent, ctl):
    now = time.time() * 1000
    ctl("job", "add", "a", "--at", "+5m", "--", "true")
    assert abs(definition(agent)["at"] - now - 300_000) < 5000
    ctl("job", "add", "b", "--at", "tomorrow 03:00", "--", "true")
    at = definition(agent)["at"]
    assert at % 86400_000 == 3 * 3600_000 and at // 86400_000 == now // 86400_000 + 1
    ctl("job", "add", "c", "--at", "12:30", "--", "true")
    at = definition(agent)["at"]
    assert at % 86400_000 == 45000_000 and now < at <= now + 86400_000


def test_often_is_meant_or_refused_with_the_count(agent, ctl):
    answer = ctl("job", "add", "x", "--cron", "*/10 * * * * *", "--", "true")
    assert answer.code == 2 and "8640 fires a day" in answer.err and "--yes-often" in answer.err
    assert ctl("job", "add", "x", "--cron", "*/10 * * * * *", "--yes-often", "--", "true").code == 0
    assert definition(agent)["often"] is True
    assert ctl("job", "add", "y", "--every", "1s", "--", "true").code == 0


@pytest.mark.parametrize("words, message", [
    (["a b", "--manual", "--", "true"], "job: "),
    (["a/b/c", "--manual", "--", "true"], "job: "),
    (["x" * 65, "--manual", "--", "true"], "job: "),
    (["x", "--", "true"], "schedule is missing"),
    (["x", "--cron", "* * * * *", "--every", "5s", "--", "true"], "every: excludes cron"),
    (["x", "--manual"], "what to run is missing"),
    (["x", "--manual", "--"], "command: "),
    (["x", "--manual", "--shell", "a", "--", "true"], "shell: excludes command"),
    (["x", "--cron", "60 * * * *", "--", "true"], "field 1 (minute)"),
    (["x", "--cron", "0 0 31 2 *", "--", "true"], "cron: "),
    (["x", "--cron", "@reboot", "--", "true"], "cron: "),
    (["x", "--every", "500ms", "--", "true"], "every: "),
    (["x", "--every", "5", "--", "true"], "every: "),
    (["x", "--at", "someday", "--", "true"], 'at: "someday" is no time'),
    (["x", "--cron", "* * * * *", "--tz", "Mars/Base", "--", "true"], "tz: "),
    (["x", "--manual", "--overlap", "queue", "--", "true"], "overlap: "),
    (["x", "--manual", "--overlap", "forbit", "--", "true"], "overlap: "),
    (["x", "--manual", "--env", "SCHED_X=1", "--", "true"], "env"),
    (["x", "--manual", "--cwd", "tmp", "--", "true"], "cwd: "),
    (["x", "--manual", "--user", "ana", "--", "true"], "user: comes later"),
    (["x", "--manual", "--retry", "3", "--", "true"], "retry: comes later"),
    (["x", "--manual", "--overlpa", "allow", "--", "true"], "near: --overlap"),
    (["x", "--manual", "--command", "a", "--", "true"], "--command: "),
    (["x", "--manual", "--timeout", "--", "true"], "--timeout needs a value: DURATION"),
    (["x", "--manual", "--shell", "x" * 40000], "shell: "),
])
def test_bad_definitions_exit_2_and_nothing_is_sent(agent, ctl, words, message):
    answer = ctl("job", "add", *words)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert ctl("--json", "job", "add", *words).error()["exit"] == 2
    assert agent.requests == []


def test_show_tells_where_each_value_comes_from(agent, ctl):
    ctl("job", "add", "x", "--cron", "0 3 * * *", "--tz", "Europe/Paris", "--", "echo", "a b")
    row = ctl("job", "show", "x", "--json").lines()[0]
    keys = {item["key"]: (item["value"], item["from"]) for item in row["keys"]}
    assert keys["cron"] == ("0 3 * * *", "set")
    assert keys["tz"] == ("Europe/Paris", "set")
    assert keys["overlap"] == ("forbid", "default")
    assert keys["start_deadline"] == ("1h", "default")
    assert "never_twice" not in keys
    assert row["definition"]["command"] == ["echo", "a b"]
    assert len(row["next_fires"]) == 3 and row["next"].endswith("Z")


def test_what_show_prints_as_yaml_applied_again_is_no_change(agent, ctl):
    ctl("job", "add", "x", "--at", "2030-01-01 00:00", "--shell", "printf '%s\\n' \"é\"\n\tx # no comment",
        "--env", "A=yes", "--env", "B=: {}", "--stdin", "a\n b\n\n", "--ok-exit", "0,3", "--umask", "007")
    before = agent.definitions["default/x"]
    yaml = ctl("job", "show", "x", "--yaml")
    assert yaml.code == 0
    answer = ctl("apply", "-f", "-", stdin=yaml.out)
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[1].split() == ["x", "no", "change", "1"]
    assert agent.definitions["default/x"] == before


def test_changes_say_what_they_did_and_how_to_undo_it(ctl):
    assert ctl("job", "pause", "tick").out.splitlines()[0] == "paused tick, version 2; undo: schedctl job resume tick"
    assert ctl("job", "pause", "tick").out.splitlines()[0] == "tick is paused already, no change"
    assert ctl("job", "resume", "tick").out.startswith("resumed tick, version 3; undo: schedctl job pause tick")
    assert ctl("job", "disable", "tick").out.startswith("disabled tick, version 4; undo: schedctl job enable tick")
    assert ctl("job", "enable", "tick").out.startswith("enabled tick, version 5")
    assert ctl("job", "pause", "nosuch").code == 3


def test_a_delete_with_open_runs_needs_to_be_told_what_becomes_of_them(agent, ctl):
    answer = ctl("job", "rm", "billing/rollup-hourly", "--yes")
    assert answer.code == 5 and "--let-finish leaves its runs alone" in answer.err
    assert ctl("job", "rm", "billing/rollup-hourly", "--yes", "--kill").code == 0
    assert agent.requests_of("job.rm")[-1]["kill"] is True
    assert ctl("job", "rm", "billing/rollup-hourly", "--yes").code == 3


def test_a_request_id_is_passed_on_and_kept(agent, ctl):
    ctl("run", "tick", "--id", "nightly-1")
    assert agent.requests_of("run")[0]["id"] == "nightly-1"
    ctl("run", "tick")
    ctl("run", "tick")
    ids = [args["id"] for args in agent.requests_of("run")]
    assert len(set(ids)) == 3


# ---- apply ----

GOOD = """
job: a/one
cron: "*/5 * * * *"
command: [echo, "one"]
---
job: two
every: 30s
shell: |
  echo two
  exit 0
env:
  LANG: C
"""


def test_apply_makes_changes_and_leaves(agent, ctl, tmp_path):
    (tmp_path / "jobs.yaml").write_text(GOOD)
    answer = ctl("apply", "-f", str(tmp_path / "jobs.yaml"))
    assert answer.code == 0, answer.err
    assert [line.split() for line in answer.out.splitlines()[1:]] == [["a/one", "created", "1"], ["two", "created", "1"]]
    (tmp_path / "jobs.yaml").write_text(GOOD.replace("30s", "40s"))
    answer = ctl("apply", "-f", str(tmp_path / "jobs.yaml"), "--json")
    rows = answer.lines()
    assert [(row["job"], row["result"], row["version"]) for row in rows] == [("a/one", "no change", 1), ("two", "changed", 2)]
    assert rows[1]["file"].endswith("jobs.yaml") and rows[1]["line"] == 6


def test_apply_takes_a_directory_several_files_and_stdin(agent, ctl, tmp_path):
    (tmp_path / "d").mkdir()
    for name, job in (("b.yaml", "b"), ("a.yml", "a"), ("c.txt", "c"), (".d.yaml", "d")):
        (tmp_path / "d" / name).write_text(f"job: {job}\nmanual: true\nshell: x\n")
    (tmp_path / "e.yaml").write_text("job: e\nmanual: true\nshell: x\n")
    answer = ctl("apply", "-f", str(tmp_path / "d"), "-f", str(tmp_path / "e.yaml"), "-f", "-",
                 stdin="job: f\nmanual: true\nshell: x\n")
    assert answer.code == 0, answer.err
    assert [line.split()[0] for line in answer.out.splitlines()[1:]] == ["a", "b", "e", "f"]


@pytest.mark.parametrize("text, place, message", [
    ('job: x\ncron: "61 * * * *"\nshell: x\n', "2:7", "61"),
    ("job: x\nevery: 5s\nfoo: 1\nshell: x\n", "3:1", 'no key "foo"'),
    ("job: x\nevery: 5s\nuser: ana\nshell: x\n", "3:1", "user: comes later"),
    ("job: x\nevery: [5]\nshell: x\n", "2:8", "every"),
    ("job: x\nevery: 5s\nevery: 6s\nshell: x\n", "3:1", "every"),
    ("job: x\nevery: 5s\nenv:\n  PATH: /bin\n  SCHED_A: x\nshell: x\n", "5:", "SCHED_A"),
    ("job: x\nevery: 5s\ncommand: [a, [b]]\n", "3:", "command"),
    ("job: x\nevery: 5s\n", "1:1", "what to run is missing"),
    ("every: 5s\njob: x\nshell: x\n", "1:1", "first key"),
    ("calendar: x\n", "1:1", "calendar: documents of this kind are not built"),
    ("job: x\nevery: 5s\nshell: &a [*a]\n", "3:", ""),
    ("job: x\n\tevery: 5s\n", "2:", ""),
    ("job: x\nevery: 5s\nshell: 'unclosed\n", "", ""),
    ("job: x\ncron: '* * * * *'\ntz: Nowhere/Land\nshell: x\n", "3:5", "Nowhere/Land"),
    ("- a\n- b\n", "1:1", ""),
    ("job: x\nevery: 5s\nshell: x\n---\njob: default/x\nevery: 6s\nshell: x\n", "5:1", "job x stands at"),
])
def test_a_bad_file_exits_2_with_its_place_and_changes_nothing(agent, ctl, tmp_path, text, place, message):
    path = tmp_path / "bad.yaml"
    path.write_text("job: fine\nmanual: true\nshell: x\n---\n" + text)
    answer = ctl("apply", "-f", str(path))
    assert (answer.code, answer.out) == (2, "")
    line, _, column = place.partition(":")
    if line:
        assert f"{path}:{int(line) + 4}:{column}" in answer.err
    assert message in answer.err
    assert "  " in answer.err and "^" in answer.err
    assert agent.requests == []
    error = ctl("apply", "-f", str(path), "--json").error()
    assert error["exit"] == 2 and str(path) in error["message"]


def test_all_errors_of_all_files_are_told_but_at_most_20(agent, ctl, tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("\n---\n".join(f"job: j{n}\nevery: 0s\nshell: x" for n in range(15)))
    answer = ctl("apply", "-f", str(tmp_path))
    assert answer.code == 2
    assert answer.err.count("every: ") >= 20 and "and 10 more errors" in answer.err
    assert agent.requests == []


def test_what_the_agent_refuses_is_told_before_anything_is_changed(agent, ctl):
    def refuse(fake, args, connection, seq):
        if b"two" in args["definition"]:
            return [(2, {"code": "full", "exit": 5, "message": "the store is full", "hint": "remove jobs"})]
        return None
    agent.answers["job.put"] = refuse
    answer = ctl("apply", "-f", "-", stdin=GOOD)
    assert answer.code == 5
    assert "stdin:6:1: the store is full" in answer.err
    assert {args["mode"] for args in agent.requests_of("job.put")} == {"check"}
    error = ctl("apply", "-f", "-", "--json", stdin=GOOD).error()
    assert (error["code"], error["exit"]) == ("full", 5)


def test_many_jobs_are_under_way_at_once(agent, ctl):
    text = "---\n".join(f"job: many/j{n}\nevery: 5s\nshell: x\n" for n in range(300))
    rows = ctl("apply", "-f", "-", "--json", stdin=text).lines()
    assert [row["job"] for row in rows] == [f"many/j{n}" for n in range(300)]
    assert {row["result"] for row in rows} == {"created"}
    again = ctl("apply", "-f", "-", "--json", stdin=text.replace("5s", "6s", 150)).lines()
    assert [row["result"] for row in again] == ["changed"] * 150 + ["no change"] * 150


def test_an_agent_that_goes_half_way_is_told_with_what_is_known(agent, ctl):
    def leave(fake, args, connection, seq):
        if b"two" in args["definition"] and args["mode"] != "check":
            fake.drop_all()
            return []
        return None
    agent.answers["job.put"] = leave
    answer = ctl("apply", "-f", "-", stdin=GOOD)
    assert answer.code == 7 and "closed the connection" in answer.err
    assert answer.out.splitlines()[2].split() == ["two", "no", "answer", "-"]
    answer = ctl("apply", "-f", "-", "--json", stdin=GOOD)
    assert answer.error()["exit"] == 7


def test_a_job_that_fails_half_way_is_told_and_the_rest_goes_on(agent, ctl):
    def refuse(fake, args, connection, seq):
        if b"one" in args["definition"] and args["mode"] != "check":
            return [(2, {"code": "no_majority", "exit": 6, "message": "no majority", "hint": ""})]
        return None
    agent.answers["job.put"] = refuse
    answer = ctl("apply", "-f", "-", stdin=GOOD)
    assert answer.code == 6
    assert [line.split()[:2] for line in answer.out.splitlines()[1:]] == [["a/one", "failed"], ["two", "created"]]
    assert "a/one: no majority" in answer.err


def test_files_that_are_not_there_or_empty_exit_2(agent, ctl, tmp_path):
    assert "No such file" in ctl("apply", "-f", str(tmp_path / "no.yaml")).err
    assert "no file ends with .yaml" in ctl("apply", "-f", str(tmp_path)).err
    assert ctl("apply", "-f", "-", stdin="# nothing\n").code == 2
    assert agent.requests == []


def test_an_agent_that_is_gone_stops_an_apply_with_7(lonely):
    answer = lonely("apply", "-f", "-", stdin=GOOD)
    assert (answer.code, answer.out) == (7, "")
    assert answer.err.count("no agent at") == 1
