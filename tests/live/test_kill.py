# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""However memwatch ends, the target goes on at full speed and not one byte of its code is changed."""

import signal

import pytest

from helpers import MEMWATCH, changed_text, target, until

PAIRS = 200_000


def pair_ns(child, times=5):
    return min(float(child.ask(f"time {PAIRS}")) for _ in range(times))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("mode", ["session", "multi", "perf"])
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
