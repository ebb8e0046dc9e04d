"""Errors, hints and exit codes: each code is provoked, in both forms."""
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time

import msgpack
import pytest
from conftest import PROGRAM, Ctl
from fake_agent import END, ERROR, Refusal


def refusing(code, message, hint=""):
    def answer(*_):
        raise Refusal(code, message, hint)
    return answer


@pytest.mark.parametrize("code, exit_code", [
    ("invalid", 2), ("not_found", 3), ("denied", 4), ("exists", 5), ("stale", 5), ("no_majority", 6), ("timeout", 7),
    ("unsupported", 2)])
def test_what_the_agent_refuses_is_told_with_its_code(agent, ctl, code, exit_code):
    agent.answers["job.pause"] = refusing(code, "what: why", "do this")
    answer = ctl("job", "pause", "tick")
    assert (answer.code, answer.out) == (exit_code, "")
    assert answer.err == "schedctl: job pause: what: why\nhint: do this\n"
    answer = ctl("job", "pause", "tick", "--json", "--id", "abc")
    assert answer.code == exit_code
    assert answer.error() == {"code": code, "exit": exit_code, "message": "what: why", "hint": "do this",
                              "request_id": "abc"}


def test_without_an_agent_the_exit_code_is_7_with_a_hint(lonely):
    for words in (["status"], ["job", "ls"], ["runs"], ["node", "ls"], ["next"], ["logs", "x"], ["run", "x"],
                  ["wait", "x"], ["kill", "x"], ["cancel", "x"], ["job", "show", "x"], ["job", "pause", "x"],
                  ["job", "rm", "x", "--yes"], ["job", "add", "x", "--manual", "--", "true"]):
        answer = lonely(*words)
        assert (answer.code, answer.out) == (7, "")
        assert "no agent at " in answer.err and "hint: is schedd running?" in answer.err
        assert lonely("--json", *words).error()["exit"] == 7


def test_the_socket_flag_wins_over_the_environment(agent, lonely):
    assert lonely("status").code == 7
    assert lonely("status", "--socket", agent.path).code == 0
    assert lonely("--socket=" + agent.path, "status").code == 0


def test_a_path_that_is_too_long_is_bad_input(lonely):
    assert lonely("status", "--socket", "/" + "x" * 200).code == 2


def test_a_deaf_agent_is_given_up_at_the_deadline(agent, ctl):
    agent.is_deaf = True
    start = time.monotonic()
    answer = ctl("status", "--deadline", "300ms")
    assert answer.code == 7 and time.monotonic() - start < 2
    assert "did not answer in time" in answer.err


def test_a_change_without_an_answer_says_how_to_repeat_it(agent, ctl):
    agent.is_deaf = True
    answer = ctl("job", "pause", "tick", "--deadline", "200ms", "--id", "mine")
    assert answer.code == 7
    assert "not known; the same again is safe with --id mine" in answer.err
    assert agent.requests_of("job.pause")[0]["id"] == "mine"


def test_verbose_names_who_was_asked_and_the_request(agent, ctl):
    agent.answers["job.pause"] = refusing("denied", "no")
    answer = ctl("job", "pause", "tick", "-v", "--id", "mine")
    assert f"asked: {agent.path}; request id: mine" in answer.err


def test_verbose_names_them_after_a_success_too(agent, ctl):
    answer = ctl("job", "pause", "tick", "-v", "--id", "mine")
    assert answer.code == 0 and answer.err == f"schedctl: asked: {agent.path}; request id: mine\n"


def test_waiting_without_a_terminal_tells_each_change_of_state(ctl):
    assert ctl("run", "tick", "--wait").err == "schedctl: run f00dfeed: started on n2\n"
    assert ctl("run", "tick", "--wait", "--json").err == ""


class Peer:
    """A socket that answers every connection with fixed bytes."""

    def __init__(self, path, data):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.data = data
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        stream, _ = self.listener.accept()
        stream.recv(65536)
        stream.sendall(self.data)
        stream.shutdown(socket.SHUT_WR)
        time.sleep(0.2)


def frame(value):
    body = value if isinstance(value, bytes) else msgpack.packb(value)
    return struct.pack(">I", len(body)) + body


@pytest.mark.parametrize("data, exit_code, words", [
    (b"", 7, "closed the connection"),
    (b"\x00\x00\x00\x10abc", 7, "closed the connection"),
    (struct.pack(">I", 1 << 30), 2, "above 1048576 bytes"),
    (frame(b"\xc1"), 2, "not a reply"),
    (frame([1, 1]), 2, "not a reply"),
    (frame([1, 1, 9, {}]), 2, "not a reply"),
    (frame([1, 1, 1, []]), 2, "not a reply"),
    (frame([2, 1, 1, {}]), 2, "version 2"),
    (frame(b"\x94\x01\x01\x01\xdf\xff\xff\xff\xff"), 2, "not a reply"),
    (frame([1, 1, ERROR, {}]), 2, "gave no reason"),
    (frame([1, 1, ERROR, {"exit": 99, "message": "m"}]), 2, "m"),
])
def test_a_peer_that_is_no_agent_is_told(tmp_path, data, exit_code, words):
    Peer(str(tmp_path / "p"), data)
    answer = Ctl(str(tmp_path / "p"))("status")
    assert (answer.code, answer.out) == (exit_code, "")
    assert words in answer.err


def test_a_row_of_odd_types_is_shown_as_far_as_it_goes(agent, ctl):
    agent.answers["node.ls"] = lambda *_: [(0, {"name": 5, "state": None, "marks": {"a": [1.5]}, "age_ms": "x"}),
                                           (0, {}), (1, {"missing": 3, "next": []})]
    assert ctl("node", "ls").code == 0
    assert ctl("node", "ls", "--json").lines()[1] == {}


@pytest.mark.parametrize("words, message", [
    (["jbo"], "jbo: no such command; near: job"),
    (["job", "lss"], "job lss: no such command; near: ls"),
    (["job"], "job: what of it? one of: ls, show, add, rm, pause, resume, enable, disable"),
    (["job", "ls", "--gruop", "x"], "no such flag: --gruop; near: --group"),
    (["job", "ls", "--wathc"], "no such flag: --wathc; near: --watch"),
    (["job", "ls", "-z"], "no such flag: -z"),
    (["job", "ls", "x"], "one word too many: x"),
    (["job", "add", "x", "--every", "1h", "echo", "hi"], "what to run goes after --: schedctl job add x ... -- echo"),
    (["job", "show"], "something is missing: schedctl job show JOB"),
    (["job", "ls", "--limit", "0"], "--limit: "),
    (["job", "ls", "--limit"], "--limit needs a value: N"),
    (["job", "ls", "--watch=1"], "--watch takes no value"),
    (["job", "ls", "--state", "odd"], '--state: no state "odd"'),
    (["runs", "--verdict", "ok"], '--verdict: no verdict "ok"'),
    (["runs", "--state", "running,odd"], '--state: no state "odd"'),
    (["runs", "--since", "odd"], '--since: "odd" is no time'),
    (["status", "--deadline", "5"], "--deadline: "),
    (["status", "--json=xml"], "--json: "),
    (["kill", "x", "--signal", "ODD"], '--signal: no signal "ODD"'),
    (["job", "pause", "x", "--reason", "x" * 300], "--reason: more than 256 bytes"),
    (["job", "pause", "x", "--id", "a b"], "--id: no blanks"),
    (["job", "rm", "x", "--kill", "--let-finish", "--yes"], "do not go together"),
    (["job", "rm", "x"], "no terminal to ask at"),
    (["next", "x", "--expr", "* * * * *"], "do not go together"),
    (["logs", "x", "--raw", "--json"], "do not go together"),
    (["status", "--", "x"], "nothing may follow --"),
    (["apply"], "-f is missing"),
])
def test_bad_input_exits_2_and_sends_nothing(agent, ctl, words, message):
    answer = ctl(*words)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    if "--json" not in words and "--json=xml" not in words:
        assert answer.err.startswith("schedctl: ")
        error = ctl("--json", *words).error()
        assert (error["exit"], error["code"] in ("invalid", "range", "full", "unsupported")) == (2, True)
    assert agent.requests == []


@pytest.mark.parametrize("words, name", [
    (["plan", "-f", "x"], "plan"), (["why", "x"], "why"), (["job", "edit", "x"], "job edit"),
    (["node", "drain", "n1"], "node drain"), (["cluster", "pause"], "cluster pause"), (["audit"], "audit"),
    (["-H", "host", "status"], "--host"), (["run", "x", "--once"], "run --once"),
    (["job", "ls", "--filter", "x"], "job ls --filter"), (["job", "pause", "x", "--for", "2h"], "job pause --for"),
    (["apply", "--prune"], "apply --prune"), (["import", "x", "--ssh", "h"], "import --ssh"),
])
def test_what_is_not_built_is_refused_by_name(agent, ctl, words, name):
    answer = ctl(*words)
    assert (answer.code, answer.out) == (2, "")
    assert f"{name}: not built in this version" in answer.err
    assert ctl("--json", *words).error()["code"] == "unsupported"
    assert agent.requests == []


def test_verdicts_decide_the_exit_code_of_waiting(agent, ctl):
    assert ctl("wait", "8f21c07e").code == 0
    failed = ctl("wait", "0badcafe")
    assert failed.code == 1 and "failed(3) in 20.0s" in failed.out
    assert ctl("wait", "5b1e02d4", "--timeout", "1s").code == 7
    assert ctl("wait", "nothing0").code == 3
    assert ctl("run", "tick", "--wait").code == 0
    agent.answers["run"] = lambda *_: [(END, dict(agent.runs[0], verdict="failed", reason="7"))]
    assert ctl("run", "tick", "--wait").code == 1


def test_a_kill_says_whether_it_is_dead(agent, ctl):
    answer = ctl("kill", "5b1e02d4", "--signal", "SIGINT", "--grace", "3s")
    assert answer.code == 0
    assert answer.out.startswith("killed(TERM by root) after 0.12s, 0 processes left: run billing/rollup-hourly@")
    sent = agent.requests_of("kill")[0]
    assert (sent["signal"], sent["grace_ms"]) == (signal.SIGINT, 3000)
    agent.answers["kill"] = lambda *_: [(END, {"run": "x", "verdict": None, "processes_left": 2, "waited_ms": 30000})]
    answer = ctl("kill", "8f21c07e")
    assert answer.code == 1
    assert answer.out.startswith("not dead yet after 30.0s, 2 processes left")


def test_a_cancel_is_either_done_or_too_late(ctl):
    assert ctl("cancel", "77aa00ff").out.startswith("cancelled: run tick@2026-11-20T12:04:32Z/0#1: skipped(")
    late = ctl("cancel", "5b1e02d4")
    assert late.code == 5 and "too late: running since" in late.err


def test_an_interrupt_while_waiting_says_how_to_go_on_and_ends_by_the_signal(agent, ctl):
    agent.is_deaf = True
    process = subprocess.Popen([str(PROGRAM), "wait", "5b1e02d4"], env=ctl.environment(), stderr=subprocess.PIPE,
                               stdout=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    time.sleep(0.4)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=5)
    assert process.returncode == -signal.SIGINT
    assert b"hint: schedctl wait 5b1e02d4" in err


def test_every_error_text_stays_free_of_control_bytes(agent, ctl):
    agent.answers["status"] = refusing("denied", "a\x1b[2Jb", "c\x07d")
    answer = ctl("status")
    assert "\x1b" not in answer.err and "\x07" not in answer.err


def test_a_full_disk_is_told(ctl):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "w") as full:
        answer = subprocess.run([str(PROGRAM), "job", "ls"], env=ctl.environment(), stdout=full, stderr=subprocess.PIPE)
    assert answer.returncode == 2 and b"write to stdout" in answer.stderr


def test_json_errors_of_a_bad_line_are_objects_too(ctl):
    error = json.loads(ctl("jbo", "--json").err)["error"]
    assert error == {"code": "invalid", "exit": 2, "message": "jbo: no such command; near: job",
                     "hint": "schedctl help", "request_id": None}
