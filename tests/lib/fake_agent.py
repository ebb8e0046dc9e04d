#!/usr/bin/python3
"""An agent made of fixed data, that speaks the local API: for tests of schedctl and schedtop.

As a module:

    with FakeAgent(path) as agent:
        subprocess.run([schedctl, "--socket", path, "job", "ls"])
        assert agent.requests[-1] == ("job.ls", {})

As a program: fake_agent.py SOCKET (until it is killed).

The clock is fixed: NOW_MS. What it answers may be changed from a test:

    agent.jobs, agent.runs, agent.nodes, agent.status   rows as they go over the wire
    agent.answers["runs"] = function(agent, args, connection, seq) -> list of (kind, body) or None
    agent.delay_s, agent.is_deaf                        answers late, or not at all
    agent.push("jobs", key, row)                        a change, to everybody who watches
    agent.drop_all()                                    closes every connection
"""

import os
import socket
import struct
import sys
import threading
import time

import msgpack

NOW_MS = 1795176271_000  # 2026-11-20T12:04:31Z
FRAME_BYTES_MAX = 1 << 20
ROW, END, ERROR, PROGRESS = 0, 1, 2, 3

EXITS = {
    "invalid": 2, "out_of_range": 2, "not_found": 3, "exists": 5, "stale": 5, "denied": 4,
    "no_majority": 6, "timeout": 7, "unsupported": 2,
}


def ms(clock, day=0):
    """The instant of a clock time on the fixed day."""
    hour, minute, second = (int(part) for part in clock.split(":"))
    return NOW_MS - (12 * 3600 + 4 * 60 + 31) * 1000 + (
        day * 86400 + hour * 3600 + minute * 60 + second) * 1000


def hex_id(number):
    return "%032x" % (number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128))


def make_job(name, state, schedule, node, due, verdict, next_at, **more):
    full = name if "/" in name else "default/" + name
    row = {
        "name": name, "full": full, "group": full.split("/")[0], "id": hex_id(sum(full.encode())),
        "version": 1, "state": state, "schedule": schedule, "tz": "UTC",
        "next_at": next_at, "next_node": node, "last_due_at": due,
        "last_start_at": None if due is None else due + 2, "last_verdict": verdict,
        "last_reason": None, "last_node": node, "last_dur_ms": 1200, "last_run": None,
        "hist": "........", "overlap": "forbid", "misfire": "once", "description": "",
        "command": "/bin/true", "enabled": True, "paused": False, "running_run": None,
        "runs_ok": 100, "runs_failed": 0, "waiting_reason": None,
    }
    row.update(more)
    return row


def time_text(at_ms):
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ms // 1000))
    return seconds + (".%03d" % (at_ms % 1000) if at_ms % 1000 else "") + "Z"


def make_run(short, job, node, state, due, verdict=None, **more):
    full = "%s@%s/0#1" % (job, time_text(due))
    row = {
        "run": full, "short": short, "job": job, "due_at": due, "manual": False, "shard": 0,
        "attempt": 1, "node": node,
        "node_id": None if node is None else hex_id(sum(node.encode())), "state": state,
        "verdict": verdict, "reason": None, "exit": None, "signal": None,
        "claimed_at": due - 1000, "armed_at": due - 20, "started_at": due + 2, "ended_at": None,
        "dur_ms": None, "late_us": 180, "version": 1, "pid": 4711, "user_us": None,
        "system_us": None, "rss_bytes": None, "output_bytes": 0, "note": None, "as_of_at": NOW_MS,
    }
    if verdict == "ran-ok":
        row.update(exit=0, ended_at=due + 1202, dur_ms=1200, user_us=900, system_us=300,
                   rss_bytes=3 << 20, output_bytes=120)
    row.update(more)
    return row


def make_node(name, state, address, **more):
    row = {
        "name": name, "id": hex_id(sum(name.encode())), "state": state, "marks": [],
        "addr": address, "version": "0.1.0", "boot": 3, "incarnation": 7, "age_ms": 300,
        "offset_ms": 0, "rtt_us": 210, "slots": 8, "running": 1, "executed": 120, "votes": 6,
        "proposes": 2, "load_milli": 420, "cpus": 2, "memory_bytes": 4 << 30,
        "memory_free_bytes": 2 << 30, "up_ms": 86400_000, "self": False, "runner": True,
    }
    row.update(more)
    return row


def fixed_jobs():
    return [
        make_job("billing/rollup-hourly", "running", "0 * * * *", "n2", ms("12:00:00"), "ran-ok",
                 ms("13:00:00"), running_run="5b1e02d4", command="/opt/rollup --hour"),
        make_job("billing/invoice-pdf", "idle", "*/3 * * * *", "n3", ms("12:03:00"), "failed",
                 ms("12:06:00"), last_reason="3", hist="..xx.x.x", runs_failed=5,
                 description="Zürich 東京 invoices"),
        make_job("crm/sync-accounts", "waiting", "@every 90s", "n1", ms("12:02:27"), "ran-ok",
                 ms("12:03:57"), waiting_reason="saturated"),
        make_job("crm/dedupe", "paused", "*/30 * * * *", "n1", ms("10:30:00"), "ran-ok", None,
                 paused=True),
        make_job("tick", "idle", "@every 2s", "n1", ms("12:04:30"), "ran-ok", ms("12:04:32"),
                 last_dur_ms=50),
        make_job("ops/db-backup", "idle", "0 3 * * *", "n1", ms("03:00:00"), "killed",
                 ms("03:00:00", 1), last_reason="KILL by ana", tz="Europe/Paris"),
        make_job("ops/once", "exhausted", "@at 2026-11-19T10:00:00Z", "n2", ms("10:00:00", -1),
                 "ran-ok", None),
        make_job("ops/tmp-clean", "disabled", "@daily", None, None, None, None, enabled=False,
                 hist=""),
    ]


def fixed_runs():
    return [
        make_run("77aa00ff", "tick", "n1", "claimed", ms("12:04:32"), started_at=None,
                 armed_at=None, pid=None, late_us=None),
        make_run("5b1e02d4", "billing/rollup-hourly", "n2", "started", ms("12:00:00")),
        make_run("8f21c07e", "tick", "n1", "ended", ms("12:04:30"), "ran-ok", dur_ms=50),
        make_run("0badcafe", "billing/invoice-pdf", "n3", "ended", ms("12:03:00"), "failed",
                 exit=3, reason="3", ended_at=ms("12:03:20"), dur_ms=20000, output_bytes=4096),
        make_run("c0ffee00", "ops/db-backup", "n1", "ended", ms("03:00:00"), "killed", signal=9,
                 reason="KILL by ana", ended_at=ms("03:10:00"), dur_ms=600000),
        make_run("", "crm/dedupe", None, "none", ms("12:00:00"), "skipped", reason="paused",
                 run="crm/dedupe@" + time_text(ms("12:00:00")), claimed_at=None, armed_at=None,
                 started_at=None, pid=None, attempt=0, late_us=None, output_bytes=None),
    ]


def fixed_nodes():
    return [
        make_node("n1", "alive", "127.0.0.1:7420", self=True, age_ms=0, rtt_us=None),
        make_node("n2", "alive", "127.0.0.2:7420", offset_ms=-3, marks=["draining"]),
        make_node("n3", "suspect", "127.0.0.3:7420", age_ms=4200, running=0, runner=False),
        make_node("n4", "failed", "127.0.0.4:7420", age_ms=3600_000, running=0),
    ]


def fixed_status():
    return {
        "cluster": "PROD-EU", "cluster_id": hex_id(7), "node": "n1", "now_at": NOW_MS,
        "nodes_alive": 2, "nodes_total": 4, "jobs": 8, "jobs_paused": 1, "runs_running": 1,
        "runs_claimed": 1, "slots": 24, "fires_per_s_milli": 812, "failed_per_min": 3,
        "missed_per_min": 0, "lag_p50_us": 160, "lag_p99_us": 2100, "arcs_moving": 0,
        "arcs_short": 0, "views_agree": 2, "views_total": 2, "alerts": 0, "clock_skew_ms": 3,
        "isolated": False, "paused": False, "warnings": [], "undecided": 0,
    }


def fixed_lines():
    run = fixed_runs()[3]
    texts = [("o", b"reading 18 invoices"), ("o", "Zürich 東京".encode()),
             ("e", b"\x1b[31mout of memory\x1b[0m \xff"), ("!", b"failed(3) after 20 s")]
    return [{"run": run["run"], "short": run["short"], "job": run["job"], "node": run["node"],
             "t_at": ms("12:03:0%d" % index) + 5 * index, "stream": stream, "text": text}
            for index, (stream, text) in enumerate(texts)]


class Refusal(Exception):
    def __init__(self, code, message, hint=""):
        super().__init__(message)
        self.body = {"code": code, "exit": EXITS[code], "message": message, "hint": hint}


class Connection:
    def __init__(self, agent, stream):
        self.agent = agent
        self.stream = stream
        self.lock = threading.Lock()
        self.watching = []

    def send(self, seq, kind, body):
        frame = msgpack.packb([1, seq, kind, body], use_bin_type=True)
        with self.lock:
            self.stream.sendall(struct.pack(">I", len(frame)) + frame)

    def receive_exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.stream.recv(count - len(data))
            if not piece:
                raise ConnectionError
            data += piece
        return data

    def serve(self):
        try:
            while True:
                length = struct.unpack(">I", self.receive_exactly(4))[0]
                if length > FRAME_BYTES_MAX:
                    raise ConnectionError
                request = msgpack.unpackb(self.receive_exactly(length), raw=False)
                self.agent.handle(self, request)
        except (ConnectionError, OSError):
            pass
        finally:
            self.agent.forget(self)
            self.stream.close()


class FakeAgent:
    def __init__(self, path):
        self.path = path
        self.jobs = fixed_jobs()
        self.runs = fixed_runs()
        self.nodes = fixed_nodes()
        self.status = fixed_status()
        self.lines = fixed_lines()
        self.definitions = {}  # full name -> bytes
        self.requests = []
        self.answers = {}
        self.delay_s = 0
        self.is_deaf = False
        self.connections = []
        self.listener = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(16)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def stop(self):
        if self.listener is not None:
            # A thread that is blocked in accept() holds the socket open: shutdown wakes it.
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.drop_all()

    def accept(self, listener):
        while True:
            try:
                stream, _ = listener.accept()
            except OSError:
                return
            connection = Connection(self, stream)
            self.connections.append(connection)
            threading.Thread(target=connection.serve, daemon=True).start()

    def forget(self, connection):
        if connection in self.connections:
            self.connections.remove(connection)

    def drop_all(self):
        for connection in list(self.connections):
            try:
                connection.stream.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def requests_of(self, verb):
        return [args for name, args in self.requests if name == verb]

    def push(self, view, key, row=None):
        """A change for everybody who watches `view`; row None: it is gone."""
        body = {"view": view, "key": key}
        body.update({"gone": True} if row is None else {"row": row})
        for connection in list(self.connections):
            for seq, views in connection.watching:
                if view in views:
                    connection.send(seq, ROW, body)
                    connection.send(seq, ROW, {"view": "status", "key": "", "row": self.status})

    # ---- requests ----

    def handle(self, connection, request):
        _, seq, verb, args = request
        self.requests.append((verb, args))
        if self.is_deaf:
            return
        if self.delay_s:
            time.sleep(self.delay_s)
        try:
            scripted = self.answers.get(verb)
            replies = scripted(self, args, connection, seq) if scripted else None
            if replies is None:
                method = getattr(self, "do_" + verb.replace(".", "_"), None)
                if method is None:
                    raise Refusal("unsupported", "%s: this agent does not know the request" % verb)
                replies = method(args, connection, seq)
        except Refusal as refusal:
            replies = [(ERROR, refusal.body)]
        for kind, body in replies:
            connection.send(seq, kind, body)

    def find_job(self, name):
        full = name if "/" in name else "default/" + name
        for job in self.jobs:
            if job["full"] == full:
                return job
        raise Refusal("not_found", "no job %s" % name, "schedctl job ls")

    def find_run(self, name):
        found = [run for run in self.runs if name in (run["run"], run["short"])]
        if not found:
            raise Refusal("not_found", "no run %s" % name, "schedctl runs")
        return found[0]

    def do_hello(self, args, connection, seq):
        return [(END, {"node": "n1", "node_id": self.nodes[0]["id"],
                       "cluster": self.status["cluster"], "cluster_id": self.status["cluster_id"],
                       "version": "0.1.0", "user": "root", "role": "admin", "now_at": NOW_MS})]

    def do_job_put(self, args, connection, seq):
        definition = msgpack.unpackb(args["definition"], raw=False)
        full = definition["job"]
        name = full[len("default/"):] if full.startswith("default/") else full
        body = {"name": name, "version": 1, "changed": True, "words": "every 5 minutes",
                "next": [ms("12:05:00") + 300_000 * index for index in range(5)], "nodes": 4}
        held = [job for job in self.jobs if job["full"] == full]
        if args["mode"] == "check":
            return [(END, body)]
        if held and args["mode"] == "create":
            raise Refusal("exists", "%s is in use: version %d, owner root" % (
                name, held[0]["version"]), "schedctl job show %s; --replace makes it an edit" % name)
        if self.definitions.get(full) == args["definition"]:
            body.update(changed=False, version=held[0]["version"])
            return [(END, body)]
        self.definitions[full] = args["definition"]
        schedule = definition.get("cron") or "@manual"
        if "every" in definition:
            schedule = "@every"
        if held:
            held[0]["version"] += 1
            body["version"] = held[0]["version"]
        else:
            self.jobs.append(make_job(name, "idle", schedule, None, None, None, ms("12:05:00")))
        return [(END, body)]

    def do_job_ls(self, args, connection, seq):
        rows = self.jobs
        if args.get("group"):
            rows = [row for row in rows if row["group"] == args["group"]]
        if args.get("state"):
            rows = [row for row in rows if row["state"] == args["state"]]
        total = len(rows)
        if args.get("after"):
            rows = [row for row in rows if row["full"] > args["after"]]
        rows = sorted(rows, key=lambda row: row["full"])
        limit = args.get("limit") or len(rows)
        token = rows[limit - 1]["full"] if limit < len(rows) else None
        rows = rows[:limit]
        return [(ROW, row) for row in rows] + [
            (END, {"count": len(rows), "total": total, "next": token, "as_of_at": NOW_MS})]

    def do_job_show(self, args, connection, seq):
        job = dict(self.find_job(args["name"]))
        encoded = self.definitions.get(job["full"]) or msgpack.packb(
            {"job": job["full"], "cron": "0 3 * * *", "tz": job["tz"],
             "command": ["/opt/backup", "--all", "it's"]}, use_bin_type=True)
        last = [run for run in self.runs if run["job"] == job["name"] and run["verdict"]]
        job.update(
            definition=encoded, owner="root", by="root", changed_at=ms("09:00:00"),
            from_at=ms("09:00:00"), through_at=ms("12:03:00"), open=[], arc=2741, epoch="1.0",
            set=["n1", "n2", "n3"], proposer="n1",
            next=[ms("03:00:00", day) for day in (1, 2, 3)],
            last=[{"fire": run["run"].split("/0#")[0], "verdict": run["verdict"],
                   "reason": run["reason"], "due_at": run["due_at"], "node": run["node"]}
                  for run in last])
        return [(END, job)]

    def change(self, name, **values):
        job = self.find_job(name)
        changed = any(job[key] != value for key, value in values.items())
        job.update(values)
        if changed:
            job["version"] += 1
        self.push("jobs", job["full"], job)
        return [(END, {"name": job["name"], "version": job["version"], "changed": changed,
                       "may_start": [], "next": [ms("12:06:00")]})]

    def do_job_pause(self, args, connection, seq):
        return self.change(args["name"], paused=True, state="paused")

    def do_job_resume(self, args, connection, seq):
        return self.change(args["name"], paused=False, state="idle")

    def do_job_enable(self, args, connection, seq):
        return self.change(args["name"], enabled=True, state="idle")

    def do_job_disable(self, args, connection, seq):
        return self.change(args["name"], enabled=False, state="disabled")

    def do_job_rm(self, args, connection, seq):
        job = self.find_job(args["name"])
        if job["running_run"] and not (args.get("kill") or args.get("let_finish")):
            raise Refusal("stale", "%s runs now: %s" % (job["name"], job["running_run"]),
                          "--let-finish leaves its runs alone, --kill ends them")
        self.jobs.remove(job)
        self.definitions.pop(job["full"], None)
        self.push("jobs", job["full"])
        return [(END, {"name": job["name"], "version": job["version"] + 1, "changed": True,
                       "may_start": [], "next": []})]

    def do_run(self, args, connection, seq):
        job = self.find_job(args["name"])
        run = make_run("f00dfeed", job["name"], "n2", "ended", ms("12:04:31"), "ran-ok",
                       manual=True)
        run["run"] = "%s@%s+c7f2a1/0#1" % (job["name"], time_text(NOW_MS))
        self.runs.insert(0, run)
        self.push("runs", run["run"], run)
        if args.get("wait"):
            return [(PROGRESS, {"run": run["run"], "short": run["short"], "state": "started",
                                "node": "n2"}), (END, run)]
        return [(END, {"run": run["run"], "short": run["short"], "node": "n2"})]

    def do_wait(self, args, connection, seq):
        run = self.find_run(args["run"])
        if run["verdict"] is None:
            raise Refusal("timeout", "%s has not ended" % run["short"],
                          "schedctl wait %s" % run["short"])
        return [(END, run)]

    def do_runs(self, args, connection, seq):
        rows = self.runs
        for key in ("job", "node"):
            if args.get(key):
                rows = [row for row in rows if row[key] == args[key]]
        for key in ("state", "verdict"):
            if args.get(key):
                wanted = args[key].replace("running", "started").split(",")
                rows = [row for row in rows if row[key] in wanted]
        limit = args.get("limit") or 100
        return [(ROW, row) for row in rows[:limit]] + [
            (END, {"count": len(rows[:limit]), "next": None, "complete": True, "missing": []})]

    def do_kill(self, args, connection, seq):
        run = self.find_run(args["run"])
        if run["verdict"] is not None:
            raise Refusal("stale", "%s has ended: %s" % (run["short"], run["verdict"]))
        run.update(state="ended", verdict="killed", reason="TERM by root", signal=15)
        self.push("runs", run["run"], run)
        return [(END, {"run": run["run"], "verdict": "killed", "reason": "TERM by root",
                       "processes_left": 0, "waited_ms": 120})]

    def do_cancel(self, args, connection, seq):
        run = self.find_run(args["run"])
        if run["state"] != "claimed":
            raise Refusal("stale", "too late: running since %s" % time_text(run["started_at"]))
        run.update(state="ended", verdict="skipped", reason="cancelled by root")
        self.push("runs", run["run"], run)
        return [(END, {"run": run["run"], "verdict": "skipped", "reason": "cancelled by root"})]

    def do_logs(self, args, connection, seq):
        lines = self.lines
        if args.get("run"):
            run = self.find_run(args["run"])
            lines = [line for line in lines if line["run"] == run["run"]]
        elif args.get("job"):
            job = self.find_job(args["job"])
            lines = [line for line in lines if line["job"] == job["name"]]
        if args.get("tail"):
            lines = lines[-args["tail"]:]
        rows = [(ROW, line) for line in lines]
        if args.get("follow"):
            return rows
        return rows + [(END, {"complete": True, "missing": []})]

    def do_node_ls(self, args, connection, seq):
        return [(ROW, row) for row in self.nodes] + [(END, {"as_of_at": NOW_MS})]

    def do_status(self, args, connection, seq):
        return [(END, self.status)]

    def do_next(self, args, connection, seq):
        names = [self.find_job(name)["name"] for name in args.get("jobs") or []]
        rows = []
        for job in self.jobs:
            if job["next_at"] is not None and (not names or job["name"] in names):
                rows.append({"fire": "%s@%s" % (job["name"], time_text(job["next_at"])),
                             "job": job["name"], "t_at": job["next_at"],
                             "node": job["next_node"], "tz": job["tz"]})
        rows.sort(key=lambda row: row["t_at"])
        rows = rows[:args.get("count") or 10]
        return [(ROW, row) for row in rows] + [(END, {"count": len(rows)})]

    def do_watch(self, args, connection, seq):
        views = args.get("views") or ["jobs", "nodes", "runs", "status"]
        rows = []
        for view, key in (("jobs", "full"), ("nodes", "id"), ("runs", "run")):
            if view in views:
                rows += [(ROW, {"view": view, "key": row[key], "row": row})
                         for row in getattr(self, view)]
        rows.append((ROW, {"view": "sync", "key": ""}))
        rows.append((ROW, {"view": "status", "key": "", "row": self.status}))
        connection.watching.append((seq, views))
        return rows


def main():
    if len(sys.argv) != 2:
        print("usage: fake_agent.py SOCKET", file=sys.stderr)
        sys.exit(2)
    with FakeAgent(sys.argv[1]):
        print("ready", flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
