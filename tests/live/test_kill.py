# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""However memwatch ends, the target goes on at full speed and not one byte of its code is changed."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from helpers import MEMWATCH, changed_text, target, until

PAIRS = 200_000
MODES = ["session", "multi", "perf"]


def pair_ns(child, times=5):
    return min(float(child.ask(f"time {PAIRS}")) for _ in range(times))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("mode", MODES)
def test_nothing_stays_behind(start, attach, mode, number):
    child = start(target("requests"))
    before = pair_ns(child)
    assert changed_text(child.pid) == 0
    watcher = attach(child, "--attach-mode", mode)
    assert changed_text(child.pid) > 0, "this test would not see a probe"
    # Alone the check of the speed would prove little; this shows that it can tell.
    during = float(child.ask("time 20000"))
    assert during > 5 * before
    watcher.signal(number)
    watcher.wait()
    # The kernel takes a dead process's probes out by itself, after a grace period.
    assert until(lambda: changed_text(child.pid) == 0), "probes are left behind"
    assert until(lambda: pair_ns(child) < 2 * before), f"{pair_ns(child)} ns a pair, {before} before"
    assert child.ask("alloc 100 10") == "ok"
    child.send("quit")
    assert child.wait() == 0


def test_killed_while_the_target_allocates(start, attach):
    """The same in the midst of events, on eight threads."""
    child = start(target("stress"), "-n", "40000000")
    watcher = attach(child)
    watcher.signal(signal.SIGKILL)
    watcher.wait()
    assert child.process.poll() is None
    assert child.wait(timeout=120) == 0


def test_command_outlives_its_watcher(start, tmp_path):
    watcher = start(MEMWATCH, "-o", tmp_path / "report", "--", target("requests"))
    assert watcher.ask("alloc 100 10") == "ok"
    watcher.signal(signal.SIGKILL)
    watcher.wait()
    assert watcher.ask("churn 1000") == "ok"
    watcher.send("quit")
    assert watcher.line() is None


class Probes:
    """The probes in a program that is not relocated, seen in microseconds: to act in the midst of a change."""

    def __init__(self, program):
        sites = subprocess.run([MEMWATCH, "sites", "--domains", "heap", "--json", program], capture_output=True,
                               text=True, check=True)
        rows = [json.loads(line) for line in sites.stdout.splitlines()]
        addresses = [row["address"] + row["offset"] for row in rows]
        self.start = min(addresses)
        self.size = max(addresses) - self.start + 1
        self.places = [address - self.start for address in addresses]

    def watch(self, pid):
        """Call before the first probe."""
        self.memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        self.plain = self.read()

    def read(self):
        return os.pread(self.memory, self.size, self.start)

    def count(self):
        now = self.read()
        return sum(now[place] != self.plain[place] for place in self.places)

    def spin_until(self, condition):
        deadline = time.monotonic() + 30
        while not condition(self.count()):
            assert time.monotonic() < deadline

    def close(self):
        os.close(self.memory)


@pytest.fixture
def kernel_log():
    """What the kernel has said of our probes since; nothing where its log cannot be read."""
    try:
        log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        yield lambda: []
        return
    os.lseek(log, 0, os.SEEK_END)
    ours = (f"uprobe: {MEMWATCH.name[:15]}:", "uprobe: mw-shield:")

    def lines():
        said = []
        while True:
            try:
                said.append(os.read(log, 8192).decode(errors="replace").partition(";")[2].splitlines()[0])
            except BrokenPipeError:  # lines were overwritten before they were read
                continue
            except BlockingIOError:
                return [line for line in said if line.startswith(ours)]

    yield lines
    os.close(log)


@pytest.fixture
def private_target(tmp_path):
    """Makes programs of their own, C library and all: what a failing test left in one would be in nobody else's."""
    number = 0

    def copy():
        nonlocal number
        number += 1
        return shutil.copy(target("static_requests"), tmp_path / f"program{number}")

    return copy


def watch_privately(start, child, mode):
    """`memwatch -p` in a session of its own: what is sent to its group is not sent to this one."""
    return start(MEMWATCH, "-q", "--json", "--attach-mode", mode, "-p", child.pid, "200ms", start_new_session=True)


def to_process(watcher, number):
    os.kill(watcher.pid, number)


def to_group(watcher, number):
    os.killpg(watcher.pid, number)


# The signal, and how many probes have been set or taken out when it comes. A first SIGINT begins the detaching.
WHILE_ATTACHING = [(to_process, signal.SIGKILL, 1), (to_group, signal.SIGKILL, 2), (to_process, signal.SIGUSR1, 4),
                   (to_process, signal.SIGKILL, 6)]
WHILE_DETACHING = [(to_group, signal.SIGINT, 1), (to_process, signal.SIGKILL, 2), (to_group, signal.SIGKILL, 4),
                   (to_process, signal.SIGTERM, 6)]


@pytest.mark.parametrize("mode, ends", [
    pytest.param("session", WHILE_ATTACHING, id="session-attaching"),
    pytest.param("session", WHILE_DETACHING, id="session-detaching"),
    pytest.param("multi", WHILE_ATTACHING, id="multi-attaching"),
    pytest.param("multi", WHILE_DETACHING, id="multi-detaching"),
    pytest.param("perf", WHILE_ATTACHING[:2], id="perf-attaching"),  # each end takes seconds; detaching: see below
])
def test_ended_midway(start, private_target, kernel_log, mode, ends):
    """
    Where a task with a fatal signal under way takes probes out, the kernel leaves them in for good ("failed to
    unregister, leaking uprobe").
    """
    left = {}
    for send, number, done in ends:
        program = private_target()
        probes = Probes(program)
        child = start(program)
        assert child.ask("churn 1") == "ok"
        probes.watch(child.pid)
        watcher = watch_privately(start, child, mode)
        if ends is WHILE_DETACHING:
            watcher.report()
            assert probes.count() == len(probes.places)
            watcher.signal(signal.SIGINT)
            probes.spin_until(lambda count: count <= len(probes.places) - done)
        else:
            probes.spin_until(lambda count: count >= done)
        send(watcher, number)
        # Detaching takes a millisecond: where this process had to wait for its turn, memwatch has ended by itself.
        assert watcher.wait() in ((-number, 0) if ends is WHILE_DETACHING else (-number,))
        if not until(lambda: changed_text(child.pid) == 0):
            left[f"{send.__name__} {number.name} after {done}"] = changed_text(child.pid)
        probes.close()
        assert child.ask("churn 1000") == "ok"
        child.send("quit")
        assert child.wait() == 0
    assert (left, kernel_log()) == ({}, [])


def stat_of(pid):
    """[state, parent, group…] of a process; None when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def children_of(pid):
    stats = {int(path.name): stat_of(path.name) for path in Path("/proc").glob("[0-9]*")}
    return [child for child, stat in stats.items() if stat and int(stat[1]) == pid]


def test_detaching_is_out_of_reach(start, private_target, kernel_log):
    """What takes the probes out is another process, which outlives memwatch and gets no signal that is meant for it."""
    program = private_target()
    probes = Probes(program)
    child = start(program)
    assert child.ask("churn 1") == "ok"
    probes.watch(child.pid)
    watcher = watch_privately(start, child, "perf")  # with a wait for the kernel at each probe
    watcher.report()
    watcher.signal(signal.SIGINT)
    probes.spin_until(lambda count: count < len(probes.places))
    helper, = children_of(watcher.pid)
    assert os.getpgid(helper) == helper != watcher.pid
    os.kill(helper, signal.SIGTERM)
    os.killpg(watcher.pid, signal.SIGKILL)
    assert watcher.wait() == -signal.SIGKILL
    assert until(lambda: changed_text(child.pid) == 0)
    assert until(lambda: (stat_of(helper) or "Z")[0] == "Z"), "it stays"
    assert kernel_log() == []
    probes.close()
    assert child.ask("churn 1000") == "ok"
