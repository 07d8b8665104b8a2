# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs that do what few do: JIT code, deep stacks, threads that die in the allocator, seccomp."""

import subprocess

import pytest

from helpers import by_line, marked_line, target


def test_jit_code_is_named(start, attach):
    child = start(target("jit_perfmap"))
    child.expect("ready")
    watcher = attach(child, "-g", "function")
    child.send()
    child.expect("done")
    report = watcher.later_report()
    (stat,) = [stat for stat in report["stats"] if stat["function"] == "jit_keep"]
    assert (stat["size"], stat["count"]) == (3330, 10)
    assert stat["traceback"][0]["kind"] == "jit"
    child.send()
    assert child.wait() == 0


def test_deep_stack_is_cut_and_counted(run):
    report = run(["-g", "lineno"], [target("deep"), "1000"]).at_exit()
    assert by_line(report, "deep.c")[marked_line("deep.c", "at the bottom")] == (444, 1)
    assert report["losses"]["stack_truncated"]["events"] >= 1


@pytest.mark.parametrize("mode", ["session", "multi", "perf"])
def test_threads_die(run, mode):
    done = run(["-g", "lineno", "--attach-mode", mode], [target("threads_die"), "8"])
    assert done.status == 0, done.stderr
    report = done.at_exit()
    assert by_line(report, "threads_die.c")[marked_line("threads_die.c", "left")] == (3 * 8 * 123, 3 * 8)
    assert report["losses"].keys() <= {"missed_return"}
    assert report["losses"].get("missed_return", {"events": 0})["events"] <= 8


@pytest.mark.parametrize("mode", ["session", "multi", "perf"])
def test_seccomp_target_survives(start, attach, mode):
    """Its filter does not know the system call by which a return probe ends."""
    child = start(target("seccomp_target"), stderr=subprocess.DEVNULL)
    child.expect("ready")
    watcher = attach(child, "-g", "lineno", "--attach-mode", mode)
    for _ in range(5):
        assert child.ask("") == "ok"
    line = marked_line("seccomp_target.c", "kept")
    assert by_line(watcher.later_report(), "seccomp_target.c") == {line: (5 * 111, 5)}
    child.close_input()
    assert child.wait() == 0
