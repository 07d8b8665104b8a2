# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`memwatch mark`: what one request costs."""

import subprocess

import pytest

from helpers import MEMWATCH, marked_line, target


def mark(pid, name):
    return subprocess.run([MEMWATCH, "mark", "-p", str(pid), name], capture_output=True, text=True, timeout=30)


def next_mark(watcher, name):
    for _ in range(100):
        report = watcher.report()
        if name in (report.get("title") or ""):
            return report
    raise AssertionError(f"no report of mark {name}")


def of_line(report, source, line):
    return [stat for stat in report["stats"] if (stat["file"] or "").endswith(source) and stat["line"] == line]


def test_one_request(start, attach):
    child = start(target("requests"))
    watcher = attach(child, "-g", "lineno", interval="500ms")
    line = marked_line("requests.c", "kept")
    assert child.ask("alloc 500 20") == "ok"
    assert mark(child.pid, "first").returncode == 0
    next_mark(watcher, "first")
    assert child.ask("alloc 1000 3") == "ok"
    assert child.ask("free 1") == "ok"
    assert mark(child.pid, "second").returncode == 0
    report = next_mark(watcher, "second")
    (stat,) = of_line(report, "requests.c", line)
    assert (stat["size_diff"], stat["count_diff"]) == (2000, 2)
    assert (stat["size"], stat["count"]) == (12000, 22)


def test_nobody_watches(start):
    child = start(target("requests"))
    done = mark(child.pid, "name")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [[], ["-p"], ["-p", "x", "name"], ["-p", "1", "a", "b"], ["-p", "1", ""]])
def test_usage(arguments):
    done = subprocess.run([MEMWATCH, "mark", *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert done.stderr
