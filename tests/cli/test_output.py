"""Tables, JSON lines and documents."""
import os
import pty
import select
import subprocess
import time

import pytest
from conftest import PROGRAM

LISTS = [("job", "ls"), ("runs",), ("node", "ls"), ("next",)]
OBJECTS = [
    ("status",), ("cluster", "status"), ("job", "show", "ops/db-backup"), ("run", "tick"), ("run", "tick", "--wait"),
    ("wait", "8f21c07e"), ("kill", "5b1e02d4"), ("cancel", "77aa00ff"), ("job", "pause", "tick"),
    ("job", "resume", "crm/dedupe"), ("job", "enable", "ops/tmp-clean"), ("job", "disable", "tick"),
    ("job", "rm", "tick", "--yes"), ("job", "add", "x", "--manual", "--", "true"), ("runs", "--count"),
    ("version",), ("help",), ("help", "job", "add"),
]


@pytest.mark.parametrize("words", LISTS + [("status",), ("job", "show", "ops/db-backup"), ("logs", "0badcafe")],
                         ids=lambda words: "-".join(words).replace("/", "-"))
def test_text_is_as_expected(ctl, expected, words):
    answer = ctl(*words)
    assert (answer.code, answer.err) == (0, "")
    expected("-".join(words).replace("/", "-") + ".txt", answer.out)


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_a_list_is_one_object_per_line(ctl, words):
    answer = ctl(*words, "--json")
    assert (answer.code, answer.err) == (0, "")
    rows = answer.lines()
    assert len(rows) >= 4
    for row in rows:
        assert isinstance(row, dict)
        assert not any(key.endswith("_at") for key in row)


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_a_list_as_a_document_says_who_answered_and_when(ctl, words):
    document = ctl(*words, "--json=doc").document()
    assert document["api"] == "peersched/v1"
    assert document["kind"].endswith("List")
    assert document["via"] == "n1"
    assert document["as_of"].endswith("Z")
    assert document["complete"] is True
    assert "missing" not in document
    assert document["next"] is None
    assert document["items"] == ctl(*words, "--json").lines()


@pytest.mark.parametrize("words", OBJECTS, ids=" ".join)
def test_an_object_is_one_line(ctl, words):
    rows = ctl("--json", *words).lines()
    assert len(rows) == 1 and isinstance(rows[0], dict)


@pytest.mark.parametrize("words", OBJECTS, ids=" ".join)
def test_an_object_as_a_document_is_the_only_item(ctl, words):
    document = ctl("--json=doc", *words).document()
    assert document["api"] == "peersched/v1"
    assert len(document["items"]) == 1


def test_times_are_rfc_3339_with_milliseconds_and_unknown_is_null(ctl):
    rows = {row["name"]: row for row in ctl("job", "ls", "--json").lines()}
    assert rows["tick"]["next"] == "2026-11-20T12:04:32.000Z"
    assert rows["ops/once"]["next"] is None
    assert rows["ops/db-backup"]["last_reason"] == "KILL by ana"
    assert rows["billing/invoice-pdf"]["last_dur_ms"] == 1200


def test_wide_characters_keep_columns_in_line(ctl):
    out = ctl("job", "ls", "--columns", "description,state").out
    lines = out.splitlines()
    assert lines[0].index("STATE") == 22
    assert any("Zürich 東京 invoices  idle" in line for line in lines)  # 20 cells, 18 characters


def test_bytes_that_control_a_terminal_are_shown_not_sent(agent, ctl):
    agent.jobs[0]["description"] = "a\x1b[2Jb\x07"
    out = ctl("job", "ls", "--columns", "name,description").out
    assert "\x1b" not in out and "\x07" not in out
    assert "a^[[2Jb^G" in out
    log = ctl("logs", "0badcafe").out
    assert "\x1b" not in log and "^[[31mout of memory^[[0m \ufffd" in log


def test_raw_output_is_the_very_bytes_without_the_scheduler(ctl):
    out = ctl("logs", "0badcafe", "--raw", binary=True).out
    assert out == b"reading 18 invoices" + "Zürich 東京".encode() + b"\x1b[31mout of memory\x1b[0m \xff"


def test_columns_are_chosen_in_order_and_unknown_ones_refused(ctl):
    assert ctl("node", "ls", "--columns", "state,name").out.splitlines()[:2] == ["STATE    NAME", "alive    n1"]
    answer = ctl("node", "ls", "--columns", "name,stat")
    assert answer.code == 2
    assert 'no column "stat"; near: ' in answer.err and "state" in answer.err
    assert "hint: columns: name,state,marks" in answer.err


def test_an_empty_list_is_a_header_or_nothing(agent, ctl):
    agent.jobs.clear()
    assert ctl("job", "ls").out.split()[0] == "NAME"
    assert ctl("job", "ls", "--json").out == ""
    assert ctl("job", "ls", "--json=doc").document()["items"] == []


def test_a_limit_names_the_next_page(ctl):
    first = ctl("job", "ls", "--limit", "3", "--columns", "full")
    assert "there is more: --after crm/dedupe" in first.err
    rest = ctl("job", "ls", "--after", "crm/dedupe", "--columns", "full")
    assert len(first.out.splitlines()) - 1 + len(rest.out.splitlines()) - 1 == 8
    assert ctl("job", "ls", "--limit", "3", "--json=doc").document()["next"] == "crm/dedupe"


def test_all_pages_are_fetched(agent, ctl):
    agent.jobs = [dict(agent.jobs[0], name="many/j%05d" % n, full="many/j%05d" % n) for n in range(2500)]
    assert len(ctl("job", "ls", "--json").lines()) == 2500
    assert len(ctl("job", "ls").out.splitlines()) == 2501
    assert [args["limit"] for args in agent.requests_of("job.ls")] == [1000] * 6


def test_an_agent_that_repeats_its_token_does_not_hold_us(agent, ctl):
    agent.answers["job.ls"] = lambda *_: [(0, agent.jobs[0]), (1, {"count": 1, "next": "same"})]
    assert len(ctl("job", "ls", "--json").lines()) == 2


def test_a_partial_answer_exits_1_and_names_who_is_missing(agent, ctl):
    agent.answers["runs"] = lambda *_: [(0, agent.runs[0]), (
        1, {"count": 1, "next": None, "complete": False, "missing": ["n3", "n4"]})]
    answer = ctl("runs")
    assert answer.code == 1
    assert "no answer from: n3, n4" in answer.err
    document = ctl("runs", "--json=doc").document()
    assert (document["complete"], document["missing"]) == (False, ["n3", "n4"])


def test_runs_counts_all_pages(agent, ctl):
    assert ctl("runs", "--count").out == "6\n"
    assert ctl("runs", "--state", "running,claimed", "--count", "--json").lines() == [{"count": 2}]
    assert agent.requests_of("runs")[-1]["state"] == "started,claimed"


def test_filters_go_to_the_agent(agent, ctl):
    ctl("runs", "--job", "tick", "--node", "n1", "--verdict", "ran-ok,failed", "--since", "2026-11-20T12:00:00Z",
        "--until", "2026-11-20T12:05:00Z")
    assert agent.requests_of("runs")[-1] == {
        "job": "tick", "node": "n1", "verdict": "ran-ok,failed", "since_at": 1795176000000, "until_at": 1795176300000,
        "limit": 100}
    ctl("job", "ls", "--group", "ops", "--name", "ops/*", "--state", "idle")
    assert agent.requests_of("job.ls")[-1] == {"group": "ops", "name": "ops/*", "state": "idle", "limit": 1000}


def test_watching_as_json_gives_only_news(agent, ctl):
    process = subprocess.Popen([str(PROGRAM), "node", "ls", "--watch", "--json"], env=ctl.environment(),
                               stdout=subprocess.PIPE)
    try:
        time.sleep(1.3)
        agent.nodes[1]["state"] = "failed"
        time.sleep(1.2)
    finally:
        process.terminate()
    lines = process.communicate()[0].decode().splitlines()
    assert len(lines) == 5


def test_following_shows_each_line_at_once_until_the_agent_goes(agent, ctl):
    process = subprocess.Popen([str(PROGRAM), "logs", "-f", "billing/invoice-pdf"], env=ctl.environment(),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    start = time.monotonic()
    first = process.stdout.readline()
    assert b"reading 18 invoices" in first and time.monotonic() - start < 1
    agent.stop()
    out, err = process.communicate(timeout=5)
    assert process.returncode == 7
    assert b"the agent closed the connection" in err
    assert agent.requests_of("logs") == [{"job": "billing/invoice-pdf", "follow": True}]


def test_a_reader_that_goes_away_ends_us_quietly(agent, ctl):
    agent.jobs = [dict(agent.jobs[0], name="many/j%05d" % n, full="many/j%05d" % n) for n in range(3000)]
    answer = subprocess.run(f"{PROGRAM} job ls | head -1", shell=True, env=ctl.environment(), capture_output=True)
    assert answer.stderr == b"" and answer.stdout.startswith(b"NAME")


def on_terminal(ctl, words, answer=b"", timeout=10):
    """Runs schedctl with all three streams on a terminal."""
    pid, master = pty.fork()
    if pid == 0:
        os.execve(PROGRAM, [str(PROGRAM), *words], ctl.environment())
    out = b""
    sent = False
    while True:
        ready, _, _ = select.select([master], [], [], timeout)
        assert ready, "nothing came"
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        if not piece:
            break
        out += piece
        if answer and not sent and b"y/N" in out:
            os.write(master, answer)
            sent = True
    _, status = os.waitpid(pid, 0)
    os.close(master)
    return out.decode(errors="replace"), os.waitstatus_to_exitcode(status)


def test_deleting_asks_on_a_terminal_and_the_default_is_no(agent, ctl):
    out, code = on_terminal(ctl, ["job", "rm", "tick"], b"\n")
    assert code == 2 and "Delete tick? y/N" in out and "nothing was changed" in out
    assert agent.requests_of("job.rm") == []
    out, code = on_terminal(ctl, ["job", "rm", "tick"], b"y\n")
    assert code == 0 and "deleted tick" in out


def test_raw_bytes_do_not_go_to_a_terminal_unasked(ctl):
    out, code = on_terminal(ctl, ["logs", "0badcafe", "--raw"])
    assert code == 2 and "take over this terminal" in out
    out, code = on_terminal(ctl, ["logs", "0badcafe", "--raw", "--yes"])
    assert code == 0 and "\x1b[31m" in out


def test_a_slow_answer_is_waited_for_aloud_on_a_terminal_only(agent, ctl):
    agent.delay_s = 0.8
    out, code = on_terminal(ctl, ["job", "pause", "tick"])
    assert code == 0 and "waiting for a majority" in out
    assert ctl("job", "resume", "tick").err == ""
