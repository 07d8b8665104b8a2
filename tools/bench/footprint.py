# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What memwatch itself takes: memory and CPU on redis-server, and a snapshot of many stacks."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from common import BENCH, MEMWATCH, Broken, Child, median, rss_bytes, run_seconds, table, verdict, watch

MIB = 1 << 20
LOAD_REPORTS = 8
IDLE_SECONDS = 5
STACKS = 50_000
STACKS_INTERVAL, STACKS_ROUNDS = 4, 3
RSS_LIMIT, IDLE_LIMIT, SNAPSHOT_LIMIT = 40, 0.1, 0.3


def redis(directory):
    server = shutil.which("redis-server")
    if not server or not shutil.which("redis-benchmark"):
        raise Broken("redis-server and redis-benchmark are needed (tools/install-deps)")
    socket = directory / "socket"
    child = Child(server, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", directory)
    while "ready to accept" not in child.line().lower():
        pass
    return child, socket


def under_load(server, socket):
    """memwatch's RSS after some reports while redis is busy, its peak, and its share of a CPU."""
    load = Child("redis-benchmark", "-s", socket, "-l", "-q", "-t", "set,get,lpush,lpop,sadd,hset,zadd", "-r", "100000",
                 "-n", "20000", out=subprocess.DEVNULL, err=subprocess.DEVNULL)
    watcher = None
    try:
        watcher = Child(MEMWATCH, "-p", server.pid, "1")
        begin = None
        for _ in range(LOAD_REPORTS):
            while "Total:" not in watcher.line():
                pass
            begin = begin or (time.monotonic(), run_seconds(watcher.pid))
        share = (run_seconds(watcher.pid) - begin[1]) / (time.monotonic() - begin[0])
        return rss_bytes(watcher.pid), rss_bytes(watcher.pid, "VmHWM"), 100 * share
    finally:
        load.end()
        if watcher:
            watcher.end()


def wakeups(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M).group(1))


def idle(server):
    """(percent of a CPU, wakeups a second) of memwatch between two reports on a process that does next to nothing."""
    watcher = watch(server.pid)
    try:
        time.sleep(0.5)  # what follows the start is not what is meant
        begin, before, woken = time.monotonic(), run_seconds(watcher.pid), wakeups(watcher.pid)
        time.sleep(IDLE_SECONDS)
        elapsed = time.monotonic() - begin
        return 100 * (run_seconds(watcher.pid) - before) / elapsed, (wakeups(watcher.pid) - woken) / elapsed
    finally:
        watcher.end()


def on_redis():
    with tempfile.TemporaryDirectory(dir=BENCH) as directory:
        server, socket = redis(Path(directory))
        try:
            rss, peak, share = under_load(server, socket)
            nothing, woken = idle(server)
        finally:
            server.end()
    table(f"footprint: memwatch on redis-server under redis-benchmark, interval 1 s, {LOAD_REPORTS} reports",
          ["", "", ""], [["RSS", f"{rss / MIB:.1f}", "MiB"], ["peak RSS", f"{peak / MIB:.1f}", "MiB"],
                         ["CPU, reports included", f"{share:.2f}", "%"],
                         ["CPU between reports, idle", f"{nothing:.4f}", "%"],
                         ["wakeups between reports, idle", f"{woken:.1f}", "/s"]])
    verdict("peak RSS", peak / MIB, RSS_LIMIT, " MiB")
    verdict("CPU between reports", nothing, IDLE_LIMIT, " %")


def timer_expiry(pid):
    """When memwatch's timer will next fire, by the monotonic clock: proc_pid_fdinfo(5), it_value."""
    for entry in os.scandir(f"/proc/{pid}/fd"):
        if "timerfd" in os.readlink(entry.path):
            now = time.monotonic()
            text = Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text()
            seconds, nanoseconds = re.search(r"it_value: \((\d+), (\d+)\)", text).groups()
            return now + int(seconds) + int(nanoseconds) / 1e9
    raise Broken("memwatch has no timer")


def report_time(watcher):
    """(elapsed from the timer's expiry to the report, memwatch's CPU time in between)."""
    expiry, cpu = timer_expiry(watcher.pid), run_seconds(watcher.pid)
    watcher.line()
    elapsed = time.monotonic() - expiry
    return elapsed, run_seconds(watcher.pid) - cpu


def snapshots():
    """One run: the first report, the second, and those behind it, as (elapsed, CPU); memwatch's RSS."""
    target = Child(BENCH / "stacks")
    watcher = None
    try:
        target.line()
        watcher = watch(target.pid, "--json", interval=f"{STACKS_INTERVAL}s")
        time.sleep(0.1)  # the timer starts behind the line that watch() waits for
        target.ask(str(STACKS))
        if timer_expiry(watcher.pid) - time.monotonic() > STACKS_INTERVAL - 0.2:
            raise Broken(f"{STACKS} stacks take longer than {STACKS_INTERVAL} s here")
        first = report_time(watcher)
        target.ask(str(STACKS))
        return first, report_time(watcher), report_time(watcher), rss_bytes(watcher.pid)
    finally:
        target.end()
        if watcher:
            watcher.end()


def run_stacks():
    runs = [snapshots() for _ in range(STACKS_ROUNDS)]
    names = ("first report: every stack is resolved", "second: every total has changed", "third: none has")
    elapsed = [median([run[report][0] for run in runs]) for report in range(3)]
    rows = [[name, f"{elapsed[report]:.3f}", f"{min(run[report][0] for run in runs):.3f}",
             f"{median([run[report][1] for run in runs]):.3f}"] for report, name in enumerate(names)]
    table(f"snapshot: {STACKS} stacks of 20 frames; from the timer to the report, medians of {STACKS_ROUNDS} runs; "
          f"memwatch's RSS {median([run[3] for run in runs]) / MIB:.0f} MiB", ["", "s", "best", "s CPU"], rows)
    verdict("first report", elapsed[0], SNAPSHOT_LIMIT, " s")
    verdict("later reports", max(elapsed[1:]), SNAPSHOT_LIMIT, " s")


def run_footprint():
    on_redis()
    run_stacks()
