"""Jobs that write down each of their starts, and what is read from that: the truth that agents are compared with."""
import concurrent.futures
import re
import time

from conftest import wait_until


def record_job(name, directory, every="3s"):
    """A job that appends its run and node, in one write, to a file of that node."""
    return (f"job: {name}\nevery: {every}\n"
            f"shell: printf '%s %s %s\\n' \"$SCHED_RUN\" \"$SCHED_NODE\" \"$SCHED_FENCE\" >>{directory}/starts.$SCHED_NODE\n")


def starts_in(directory):
    """(run, node, fence) of every start, as the payloads wrote them."""
    starts = []
    for path in sorted(directory.glob("starts.*")):
        for line in path.read_text().splitlines():
            starts.append(tuple(line.split(" ")))
            assert len(starts[-1]) == 3 and path.suffix == "." + starts[-1][1], line
    return starts


def each(cluster, names, *words):
    """A command for each job, several at a time."""
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        return list(pool.map(lambda name: cluster.ok("n1", *words, name), names))


def settle(cluster, pattern):
    """Waits until no run of those jobs is open."""
    def is_quiet():
        return not [run for run in cluster.runs() if re.match(pattern, run["job"])
                    and run["state"] in ("claimed", "armed", "started", "killing")]
    wait_until(is_quiet, 15, "the end of all runs", 0.3)


def remove(cluster, names):
    each(cluster, names, "job", "rm", "--yes", "--let-finish")


def fire_time(run):
    """The time of a run's fire, in seconds, from its name."""
    text = run.split("@")[1][:19]
    return time.mktime(time.strptime(text + "UTC", "%Y-%m-%dT%H:%M:%S%Z")) - time.timezone


def check_once(starts):
    """No run has started twice, and no fire has two runs."""
    runs = [start[0] for start in starts]
    assert len(set(runs)) == len(runs), [run for run in runs if runs.count(run) > 1]
    fires = [run.split("/0#")[0] for run in runs]
    assert len(set(fires)) == len(fires), [fire for fire in fires if fires.count(fire) > 1]
