"""The real schedtop on a terminal of our own, against an agent made of fixed data."""

import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))

from fake_agent import FakeAgent, fixed_jobs, ms  # noqa: E402
from terminal import Terminal  # noqa: E402

SCHEDTOP = os.path.join(os.environ.get("BUILD_DIR", os.path.join(ROOT, "build/release")), "bin/schedtop")


@pytest.fixture
def agent(tmp_path):
    with FakeAgent(str(tmp_path / "schedd.sock")) as started:
        yield started


def console(agent, *options, **terminal):
    return Terminal([SCHEDTOP, "--socket", agent.path, *options], **terminal)


def started(terminal):
    terminal.wait_for("billing/invoice-pdf")
    terminal.settle()
    return terminal


def cursor_row(terminal):
    rows = [line for line in terminal.screen.display if line.startswith(">")]
    if len(rows) != 1:  # in the middle of a picture
        terminal.settle(0.05)
        rows = [line for line in terminal.screen.display if line.startswith(">")]
    assert len(rows) == 1, terminal.text()
    return rows[0]


# ---- start and views ----


def test_without_an_agent_it_ends_with_7_and_says_what_to_do(tmp_path):
    path = str(tmp_path / "none.sock")
    done = subprocess.run([SCHEDTOP, "--socket", path], capture_output=True, text=True, timeout=5)
    assert done.returncode == 7
    assert path in done.stderr and "hint: " in done.stderr and done.stdout == ""


def test_without_a_terminal_it_is_refused(agent):
    done = subprocess.run([SCHEDTOP, "--socket", agent.path], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=5)
    assert done.returncode == 2 and "terminal" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("options, code, words", [
    (["--help"], 0, "--socket"), (["--version"], 0, "schedtop "), (["--plain"], 2, "not in this version"),
    (["-H", "n1"], 2, "not in this version"), (["--nonsense"], 2, "hint"), (["--color=pink"], 2, "auto or never"),
    (["extra"], 2, "hint"),
])
def test_options_are_answered_or_refused(options, code, words):
    done = subprocess.run([SCHEDTOP, *options], capture_output=True, text=True, timeout=5)
    assert done.returncode == code and words in done.stdout + done.stderr


def test_dumb_terminal_is_refused_with_a_reason(agent):
    with console(agent, term="dumb") as terminal:
        assert os.waitstatus_to_exitcode(terminal.wait_exit()) == 2
        assert "this terminal cannot be painted" in terminal.text().replace("\n", "")


def test_unknown_terminal_is_tried_as_xterm_and_says_so(agent):
    with console(agent, term="never-heard-of", columns=100) as terminal:
        started(terminal)
        assert "never-heard-of" in terminal.text()


@pytest.mark.parametrize("term", ["vt100", "linux", "xterm", "tmux-256color", "screen"])
def test_other_terminals_show_the_same(agent, term):
    with console(agent, term=term) as terminal:
        if os.path.exists("/usr/share/terminfo") or term in ("vt100", "linux", "xterm", "screen"):
            started(terminal)
            assert cursor_row(terminal).startswith(">billing/invoice-pdf")


def test_all_views_are_drawn(agent):
    with console(agent, rows=30, columns=100) as terminal:
        started(terminal)
        assert "PROD-EU" in terminal.line(0) and "2/4 nodes" in terminal.line(0)
        terminal.send("2")
        terminal.wait_for(" Nodes >")
        assert re.search(r"n3 +suspect", terminal.text())
        terminal.send("3")
        terminal.wait_for("finished in the last 60 s")
        assert re.search(r"5b1e02d4 billing/rollup-hourly +n2", terminal.text())
        assert "77aa00ff" not in terminal.text()
        terminal.send("right")
        terminal.wait_for("77aa00ff")
        terminal.send("1")
        terminal.wait_for(" Jobs >")
        terminal.send("4")
        terminal.wait_for("reading 18 invoices")


def test_help_lists_keys_and_finds_one(agent):
    with console(agent, rows=30, columns=100) as terminal:
        started(terminal)
        terminal.send("?")
        terminal.wait_for("MOVE")
        terminal.send("kill")
        terminal.wait_for("Help > Jobs > kill")
        terminal.wait_until(lambda: "MOVE" not in terminal.text(), "only what fits")
        assert "kill or cancel" in terminal.text()
        terminal.send("esc")
        terminal.wait_for(" Jobs >")


def test_details_of_job_run_and_node(agent):
    with console(agent, rows=30, columns=100) as terminal:
        started(terminal)
        terminal.send("enter")
        terminal.wait_for("set n1,n2,n3")
        terminal.wait_for("0badcafe")
        terminal.send("enter")
        terminal.wait_for("SINCE DUE")
        assert re.search(r"ended +12:03:20.000 +\+20000 ms +n3 +failed\(3\)", terminal.text())
        terminal.send("q", "q", "2", "j", "d")
        terminal.wait_for(" Nodes > n2")
        assert "5b1e02d4" in terminal.text()


# ---- moving and searching ----


def test_keys_move_the_cursor(agent):
    with console(agent) as terminal:
        started(terminal)
        for key, name in [("j", "billing/rollup-hourly"), ("down", "crm/dedupe"), ("up", "billing/rollup-hourly"),
                          ("G", "tick"), ("g", "billing/invoice-pdf"), ("end", "tick"), ("home", "billing/invoice"),
                          ("pagedown", "tick"), ("pageup", "billing/invoice-pdf"), ("}", "crm/sync-accounts")]:
            terminal.send(key)
            terminal.wait_until(lambda: cursor_row(terminal).startswith(">" + name), key + " " + name)


def test_search_finds_goes_on_and_goes_back(agent):
    with console(agent) as terminal:
        started(terminal)
        terminal.send("/ops")
        terminal.wait_until(lambda: ">ops/db-backup" in terminal.text(), "the first hit")
        terminal.send("enter", "n")
        terminal.wait_until(lambda: ">ops/once" in terminal.text(), "the second hit")
        terminal.send("N")
        terminal.wait_until(lambda: ">ops/db-backup" in terminal.text(), "the first again")
        terminal.send("/tick")
        terminal.wait_until(lambda: ">tick" in terminal.text(), "another")
        terminal.send("esc")
        terminal.wait_until(lambda: ">ops/db-backup" in terminal.text(), "back where it began")


def test_many_jobs_page_and_stay_in_order(agent):
    agent.jobs = [dict(fixed_jobs()[0], name="load/job-%05d" % number, full="load/job-%05d" % number)
                  for number in range(20000)]
    with console(agent) as terminal:
        terminal.wait_for("load/job-00000", 10)
        terminal.wait_for("20,000 jobs")
        terminal.send("G")
        terminal.wait_until(lambda: ">load/job-19999" in terminal.text(), "the last")
        terminal.send("pageup")
        terminal.wait_until(lambda: cursor_row(terminal) < ">load/job-19990", "a page up")
        begin = time.monotonic()
        for _ in range(50):
            terminal.send("k")
        terminal.wait_until(lambda: cursor_row(terminal) < ">load/job-19940", "50 rows up")
        assert time.monotonic() - begin < 2


# ---- acting ----


def test_kill_asks_and_no_is_the_default(agent):
    with console(agent, rows=30, columns=100) as terminal:
        started(terminal)
        terminal.send("j", "x")
        terminal.wait_for("Kill run 5b1e02d4")
        assert "y/N" in terminal.text()
        terminal.send("enter")
        terminal.wait_for("nothing was sent")
        assert agent.requests_of("kill") == []
        terminal.send("x")
        terminal.wait_for("Kill run 5b1e02d4")
        terminal.send("y")
        terminal.wait_for("killed(TERM by root)")
        assert [args["run"] for args in agent.requests_of("kill")] == [agent.runs[1]["run"]]
        assert "0 processes left" in terminal.text()


def test_run_now_asks_and_shows_the_run(agent):
    with console(agent, rows=30, columns=100) as terminal:
        started(terminal)
        terminal.send("r")
        terminal.wait_for("Run billing/invoice-pdf now")
        terminal.send("y")
        terminal.wait_for("f00dfeed")
        assert agent.requests_of("run") == [{"name": "billing/invoice-pdf"}]


def test_pause_is_asked_in_production_and_undone_by_u(agent):
    with console(agent, rows=30, columns=100) as terminal:
        started(terminal)
        terminal.send("p")
        terminal.wait_for("Pause billing/invoice-pdf")
        terminal.send("y")
        terminal.wait_for("u to undo")
        terminal.wait_until(lambda: " paused " in cursor_row(terminal), "the new state")
        terminal.send("u")
        terminal.wait_for("resumed billing/invoice-pdf")
        assert [name for name, _ in agent.requests if name.startswith("job.")] == ["job.pause", "job.resume"]


def test_pause_outside_production_asks_nothing(agent):
    agent.status["cluster"] = "lab"
    with console(agent, rows=30, columns=100) as terminal:
        started(terminal)
        terminal.send("p")
        terminal.wait_for("u to undo")
        assert agent.requests_of("job.pause") == [{"name": "billing/invoice-pdf"}]


def test_read_only_changes_nothing(agent):
    with console(agent, "-r") as terminal:
        started(terminal)
        terminal.send("r")
        terminal.wait_for("read-only")
        terminal.send("y", "j", "x", "y", "p", "y")
        terminal.settle()
        assert {name for name, _ in agent.requests} <= {"hello", "watch", "status"}


def test_refusal_is_shown_with_its_hint(agent):
    agent.answers["run"] = lambda fake, args, connection, seq: [
        (2, {"code": "no_majority", "exit": 6, "message": "1 of 3 answered", "hint": "schedctl node ls"})]
    with console(agent, columns=100) as terminal:
        started(terminal)
        terminal.send("r", "y")
        terminal.wait_for("1 of 3 answered. schedctl node ls")


# ---- the log ----


def test_log_follows_holds_and_follows_again(agent):
    def answer(fake, args, connection, seq):
        connection.watching.append((seq, ["lines"]))
        return [(0, dict(fake.lines[0], text=b"line %d" % number)) for number in range(40)]

    agent.answers["logs"] = answer
    with console(agent) as terminal:
        started(terminal)
        terminal.send("l")
        terminal.wait_for("line 39")
        assert "FOLLOW" in terminal.text()
        terminal.send("k", "k")
        terminal.wait_for("HELD")
        terminal.wait_until(lambda: "line 39" not in terminal.text(), "two lines up")
        for connection in agent.connections:
            for seq, views in connection.watching:
                if views == ["lines"]:
                    connection.send(seq, 0, dict(agent.lines[0], text=b"line 40"))
        terminal.wait_for("HELD +1 new")
        terminal.send("F")
        terminal.wait_for("line 40")
        terminal.send("/line 7", "enter")
        terminal.wait_for("hit 1 of 1")
        assert agent.requests_of("logs") == [
            {"job": "billing/invoice-pdf", "follow": True, "tail": 1000}]


HOSTILE = [b"\x1b[2J\x1b[31m", b"\x1b]0;owned\x07", b"\x9b31m", b"\x1bP1$r0m\x1b\\", b"\x08\x08\x0d\x0a\x0c\x0e\x0f",
           b"\x1b[?1049l", b"\x1bc", "\u009b6n".encode(), "\u202etxt.exe".encode(), b"\xff\xfe\xc0\xaf",
           b"\x00\x01\x02\x7f", "e\u0301\u0301\u0301\u0301\u200b\u200d".encode(), "\U0001f469\u200d\U0001f680".encode()]


def test_hostile_output_never_reaches_the_terminal(agent):
    agent.lines = [dict(agent.lines[0], text=text + b" mark%02d" % number, node="n1", stream="o")
                   for number, text in enumerate(HOSTILE)]
    with console(agent, rows=30, columns=100) as terminal:
        started(terminal)
        before = len(terminal.raw)
        terminal.send("l")
        terminal.wait_for("mark%02d" % (len(HOSTILE) - 1))
        sent = terminal.raw[before:]
        for bad in (b"\x1b[2J\x1b[31m", b"\x1b]", b"\x9b", b"\x1bP", b"\x08\x08", b"\x0e\x0f", b"\x1b[?1049l", b"\x1bc", b"\x00",
                    b"\x7f", b"\xff", "\u202e".encode(), "\u200d".encode(), "\u009b".encode()):
            if bad == b"\x9b":
                # Alone it is a control; within UTF-8 it is a part of a character.
                sent.decode("utf-8")
                continue
            assert bad not in sent, bad
        assert "^[[2J^[[31m mark00" in terminal.text()


def test_hostile_names_keep_columns_and_reach_no_terminal(agent):
    agent.jobs[0].update(name="a\x1b[31m\u202e", full="a/x", state="idle\x07", schedule="\x1b]0;x\x07")
    agent.nodes[1].update(name="\u6771\u4eac\x1b[2J", addr="\x1b[H")
    with console(agent, "--color=never", rows=30, columns=100) as terminal:
        terminal.wait_for("a^[[31m")
        terminal.send("2")
        terminal.wait_for("\u6771")
        assert b"\x1b]0;x" not in terminal.raw and b"\x1b[31m" not in terminal.raw


def test_wide_names_keep_columns_aligned(agent):
    for job, name in zip(agent.jobs, ["東京/報告", "ops/e\u0301te\u0301", "ops/\U0001f600\U0001f600", "ops/plain"]):
        job.update(name=name, full=name, state="idle")
    with console(agent, rows=24, columns=80) as terminal:
        terminal.wait_for("ops/plain")
        terminal.settle()
        # pyte keeps one display entry per cell: the state begins in the same cell on each row.
        rows = [row for row in range(4, 22) if "idle" in terminal.line(row)]
        assert len(rows) >= 4
        for row in rows:
            cells = [terminal.screen.buffer[row][column].data for column in range(80)]
            assert "".join(cells[23:27]) == "idle", terminal.line(row)


def test_c_locale_is_ascii(agent):
    agent.jobs[0].update(name="東京/報告", full="東京/報告")
    with console(agent, locale="C") as terminal:
        terminal.wait_for("??/??")
        terminal.send("l")
        terminal.settle()
        assert all(byte < 0x80 for byte in terminal.raw)


# ---- colours ----


def sgr_parameters(raw):
    found = set()
    for match in re.finditer(rb"\x1b\[([0-9;]*)m", raw):
        found |= {int(part or 0) for part in match.group(1).split(b";")}
    return found


@pytest.mark.parametrize("options, env", [([], {"NO_COLOR": "1"}), (["--color=never"], {})])
def test_without_colour_none_is_sent(agent, options, env):
    with console(agent, *options, env=env) as terminal:
        started(terminal)
        for key in "2341?":
            terminal.send(key)
            terminal.settle(0.05)
        assert not [number for number in sgr_parameters(terminal.raw) if 30 <= number <= 38 or 40 <= number <= 48
                    or 90 <= number <= 107]


def test_with_colour_failed_is_red_and_running_cyan(agent):
    with console(agent, env={"NO_COLOR": ""}) as terminal:
        started(terminal)
        colors = {}
        for row in range(4, 20):
            line = terminal.screen.display[row]
            for word in ("failed", "running", "ran-ok"):
                if word in line and "/" in line:
                    colors[word] = terminal.screen.buffer[row][line.index(word)].fg
        assert colors["running"] == "cyan" and colors["ran-ok"] == "green" and colors["failed"] == "red"


# ---- sizes ----


def test_resize_storm_leaves_no_stale_cell(agent):
    chance = random.Random(4711)
    with console(agent) as terminal:
        started(terminal)
        for step in range(60):
            terminal.resize(chance.randint(1, 60), chance.randint(1, 200))
            if step % 7 == 0:
                terminal.send(chance.choice("1234?jk"))
            terminal.pump(0.005)
        terminal.send("esc", "1", "g")
        terminal.resize(24, 80)
        terminal.wait_until(lambda: ">billing/invoice-pdf" in terminal.text(), "the list again")
        terminal.settle()
        storm = terminal.text()
    with console(agent) as terminal:
        started(terminal)
        fresh = terminal.text()
    pattern = r"n1 \S+ rw|\d\d:\d\d:\d\dZ|\+\d+s late|\d+m\d\ds"
    assert re.sub(pattern, "*", storm) == re.sub(pattern, "*", fresh)


def test_growing_and_shrinking_is_followed_at_once(agent):
    with console(agent) as terminal:
        started(terminal)
        terminal.resize(30, 100)
        terminal.wait_for("2/4 nodes")
        terminal.resize(12, 40)
        terminal.wait_until(lambda: terminal.line(11).startswith("1J 2N"), "the narrow key row")
        terminal.resize(5, 29)
        terminal.wait_until(lambda: terminal.line(1).startswith("billing/invoice-pdf"), "the tiny form")


# ---- links ----


def test_lost_agent_is_told_and_comes_back_to_the_same_row(agent):
    with console(agent, rows=30, columns=100) as terminal:
        started(terminal)
        terminal.send("j", "j")
        terminal.wait_until(lambda: ">crm/dedupe" in terminal.text(), "the row")
        agent.stop()
        terminal.wait_for("LINK LOST", 2)
        terminal.send("j")
        terminal.wait_until(lambda: ">crm/sync-accounts" in terminal.text(), "moving goes on")
        terminal.send("r")
        terminal.wait_for("no link")
        agent.requests.clear()
        agent.jobs.insert(0, dict(fixed_jobs()[0], name="aaa/new", full="aaa/new"))
        agent.start()
        terminal.wait_for("the agent is back", 5)
        terminal.wait_for("aaa/new")
        assert ">crm/sync-accounts" in terminal.text()
        assert "LINK LOST" not in terminal.text()
        assert {name for name, _ in agent.requests} == {"hello", "watch"}


def test_dropped_connection_is_made_again(agent):
    with console(agent) as terminal:
        started(terminal)
        agent.drop_all()
        terminal.wait_until(lambda: len(agent.requests_of("watch")) == 2, "a new watch")
        terminal.settle()
        assert "LINK LOST" not in terminal.text()


def test_garbage_from_the_socket_is_a_lost_link(agent):
    with console(agent) as terminal:
        started(terminal)
        for connection in list(agent.connections):
            connection.stream.sendall(b"\xff\xff\xff\xff")
        terminal.wait_until(lambda: len(agent.requests_of("watch")) == 2, "a new connection")


def test_changes_are_shown(agent):
    with console(agent) as terminal:
        started(terminal)
        agent.push("jobs", "ops/once", dict(agent.jobs[6], state="running"))
        terminal.wait_until(lambda: re.search(r"ops/once +running", terminal.text()), "the change")
        agent.push("jobs", "ops/once")
        terminal.wait_until(lambda: "ops/once" not in terminal.text(), "its going")


# ---- endings ----


def check_restored(terminal, before):
    assert terminal.modes()[:4] == before[:4]
    for sequence in (b"\x1b[?1049l", b"\x1b[?12l\x1b[?25h"):
        assert sequence in terminal.raw
    assert terminal.raw.rindex(b"\x1b[?1049l") > terminal.raw.rindex(b"\x1b[?1049h")


@pytest.mark.parametrize("how", ["q", "Q", signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGSEGV, signal.SIGABRT])
def test_terminal_is_as_before_after_every_end(agent, how):
    with console(agent) as terminal:
        before = terminal.modes()
        started(terminal)
        assert terminal.modes()[:4] != before[:4]
        if isinstance(how, str):
            terminal.send(how)
            assert os.waitstatus_to_exitcode(terminal.wait_exit()) == 0
        else:
            terminal.kill(how)
            status = terminal.wait_exit(10)
            # The address sanitizer makes an exit code of its own of a fault.
            assert os.WIFEXITED(status) or os.WTERMSIG(status) == how
        check_restored(terminal, before)


def test_terminal_that_goes_away_ends_it(agent):
    terminal = console(agent)
    terminal.__enter__()
    started(terminal)
    os.close(terminal.fd)
    end = time.monotonic() + 1
    while time.monotonic() < end:
        pid, _ = os.waitpid(terminal.pid, os.WNOHANG)
        if pid:
            return
        time.sleep(0.01)
    os.kill(terminal.pid, signal.SIGKILL)
    os.waitpid(terminal.pid, 0)
    raise AssertionError("still there a second after its terminal has gone")


def test_idle_costs_nothing(agent):
    with console(agent) as terminal:
        started(terminal)
        terminal.settle(0.6)

        def used():
            with open("/proc/%d/stat" % terminal.pid, encoding="ascii") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            with open("/proc/%d/status" % terminal.pid, encoding="ascii") as file:
                switches = int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", file.read()).group(1))
            return int(fields[11]) + int(fields[12]), switches

        ticks, switches = used()
        written = len(terminal.raw)
        terminal.pump(1.5)
        terminal.settle(0.1)
        ticks_after, switches_after = used()
        assert ticks_after - ticks <= 1 and switches_after - switches <= 3
        assert len(terminal.raw) - written <= 60
