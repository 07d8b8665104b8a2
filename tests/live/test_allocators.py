# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Other allocators, C++, static programs: whatever file defines malloc."""

import pytest

from helpers import assert_same_sites, by_line, expected_lines, marked_line, target

PRELOADS = ["libjemalloc.so.2", "libtcmalloc_minimal.so.4"]


@pytest.mark.parametrize("mode", ["session", "multi", "perf"])
def test_operators_through_malloc(run, oracle, mode):
    """libstdc++'s operators call malloc: their sites are within it."""
    done = run(["-g", "traceback", "--frames", "1", "--no-skip", "--attach-mode", mode], [target("cpp_new")],
               env=oracle.environment())
    assert done.status == 0, done.stderr
    report = done.at_exit()
    assert report["losses"] == {}
    assert_same_sites(report, oracle.image(pid=report["pid"]))


def test_lines_that_call_operators(run):
    """Beyond the operators, which have no frame pointers, are the lines that a report names."""
    done = run(["-g", "lineno"], [target("cpp_new")])
    assert done.status == 0, done.stderr
    report = done.at_exit()
    assert report["losses"] == {}
    assert by_line(report, "cpp_new.cc") == expected_lines(done.stdout, ("expect", "aligned"))


@pytest.mark.parametrize("preload", PRELOADS)
@pytest.mark.parametrize("mode", ["session", "multi", "perf"])
def test_operators_of_the_allocator(run, preload, mode):
    """The allocator's own operators do not go through malloc: the caller is known by its line."""
    done = run(["-g", "lineno", "--attach-mode", mode], [target("cpp_new")], env={"LD_PRELOAD": preload})
    assert done.status == 0, done.stderr
    report = done.at_exit()
    assert by_line(report, "cpp_new.cc") == expected_lines(done.stdout, ("expect", "aligned"))
    assert report["losses"] == {}


@pytest.mark.parametrize("preload", PRELOADS)
def test_an_operator_new_that_throws(run, preload):
    """An exception cannot pass a probed return: calls that are bound to throw are not probed, and counted."""
    done = run(["-g", "lineno"], [target("cpp_throw")], env={"LD_PRELOAD": preload})
    assert done.status == 0, done.stderr
    assert done.stdout.split() == ["caught", "10"]
    assert done.at_exit()["losses"]["throwing"]["events"] == 10


@pytest.mark.parametrize("preload", PRELOADS)
def test_stress(run, preload):
    """The stress program's own account, on an allocator that is not glibc's."""
    options = ["-P"] if "jemalloc" in preload else []
    done = run(["-g", "lineno"], [target("stress"), "-n", 100_000, "-e", *options], env={"LD_PRELOAD": preload})
    assert done.status == 0, done.stderr
    report = done.at_exit()
    assert report["losses"] == {}
    assert by_line(report, "stress.c") == expected_lines(done.stdout)


@pytest.mark.parametrize("libc", ["glibc", "musl"])
def test_static(run, libc):
    done = run(["-g", "lineno"], [target(f"static_{libc}")])
    assert done.status == 0, done.stderr
    assert by_line(done.at_exit(), "static_leak.c") == {marked_line("static_leak.c", "kept"): (7000, 10)}


@pytest.mark.parametrize("libc", ["glibc", "musl"])
def test_static_while_attached(start, attach, libc):
    child = start(target(f"static_{libc}"))
    child.expect("ready")
    watcher = attach(child, "-g", "lineno")
    child.send()
    child.expect("done")
    assert by_line(watcher.later_report(), "static_leak.c") == {marked_line("static_leak.c", "kept"): (7000, 10)}
