# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Libraries that come late, one with an allocator of its own."""

import pytest

from helpers import MEMWATCH, by_line, lost_blocks, marked_line, read_reports, target

PLUGIN = (10_000, 10)
ARENA = (3_000, 10)


def check(report):
    assert by_line(report, "plugin.c")[marked_line("plugin.c", "kept by the plugin")] == PLUGIN
    assert by_line(report, "arena.c")[marked_line("arena.c", "kept by the arena")] == ARENA
    assert lost_blocks(report) == {}


@pytest.mark.parametrize("mode", ["session", "multi", "perf"])
def test_while_attached(start, attach, mode):
    child = start(target("dlopen_late"), target("plugin.so"), target("arena.so"))
    child.expect("ready")
    watcher = attach(child, "-g", "lineno", "--attach-mode", mode)
    child.send()
    child.expect("loaded")
    # A library's own allocator is found at the latest when a whole interval has passed.
    watcher.later_report()
    child.send()
    child.expect("done")
    check(watcher.later_report())
    child.send()
    assert child.wait() == 0


def test_from_the_start(start, tmp_path):
    """With the same stops, so that the library is found in time."""
    output = tmp_path / "report"
    watcher = start(MEMWATCH, "--json", "-o", output, "--top", "0", "-g", "lineno", "--", target("dlopen_late"),
                    target("plugin.so"), target("arena.so"))
    watcher.expect("ready")
    watcher.send()
    watcher.expect("loaded")
    watcher.send()
    watcher.expect("done")
    watcher.send()
    assert watcher.wait() == 0
    report = read_reports(output)[-1]
    assert by_line(report, "plugin.c")[marked_line("plugin.c", "kept by the plugin")] == PLUGIN
