# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Stacks through code that comes and goes while it is watched: libraries, forks and programs executed, a JIT's code."""

import time

import pytest

from unwinding import TRACEBACKS, Stack, assert_equal, build, callers, stacks_of_gdb, stacks_of_report, stack_losses


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return build(tmp_path_factory.mktemp("unwind") / "mappings", "gcc", "-O2", "unwind_mappings.c")


def report_of(watcher, pid):
    """A report on @pid, of an interval that began after this call."""
    now = time.time()
    while (report := watcher.report())["pid"] != pid or report["time"] - report["elapsed"] < now:
        pass
    return report


def stand(child, watcher, tmp_path, name, news=0):
    """The next case's stacks, memwatch's and gdb's, and the report. There is time to learn of @news mappings before."""
    for _ in range(news):
        child.expect("mapped")
        watcher.later_report()
        child.send()
    [line] = [line for line in child.expect("here") if line.startswith("case ")]
    _, size, thread, case = line.split(None, 3)
    assert case == name
    report = report_of(watcher, int(thread))
    theirs = stacks_of_gdb(int(thread), tmp_path)[int(thread)]
    child.send()
    return stacks_of_report(report)[int(size)], theirs, report


def assert_equal_or_cut(ours, theirs, report, case):
    """A stack may end in code that is not known yet, and is counted then; it does not go on wrongly. True: it ends."""
    ours, theirs = callers(ours, theirs)
    assert_equal(ours, Stack(theirs[:len(ours)]), case)
    if len(ours) < len(theirs):
        assert stack_losses(report), case
    return len(ours) < len(theirs)


LIBRARIES = {"first": 1, "second in its place": 1, "first again": 1, "second beside it": 1, "second without it": 0}


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """Without lines: stacks of one line are one entry of a report."""
    directory = tmp_path_factory.mktemp("unwind")
    return [build(directory / f"lib{room}.so", "gcc", f"-O2 -g0 -shared -fPIC -DROOM={room}", "unwind_library.c")
            for room in (16, 5000)]


def test_libraries(start, attach, program, libraries, tmp_path):
    child = start(program, "libraries", *libraries)
    child.expect("ready")
    watcher = attach(child, *TRACEBACKS)
    child.send()
    places = []
    for name, news in LIBRARIES.items():
        ours, theirs, report = stand(child, watcher, tmp_path, name, news)
        assert_equal(*callers(ours, theirs), name)
        assert not stack_losses(report)
        places += {frame.module for frame in theirs} & {str(path) for path in libraries}
    assert places == [str(libraries[number]) for number in (0, 1, 0, 1, 1)]
    child.expect("end")


def test_libraries_called_at_once(start, attach, program, libraries, tmp_path):
    """A stack may end in code that is not known yet, and is counted then; none goes on wrongly."""
    child = start(program, "libraries", *libraries, "at once")
    child.expect("ready")
    watcher = attach(child, *TRACEBACKS)
    child.send()
    cut = 0
    for name in LIBRARIES:
        ours, theirs, report = stand(child, watcher, tmp_path, name)
        cut += assert_equal_or_cut(ours, theirs, report, name)
        # With the rows of what was there before, which is not known to be gone, there may be no way on either.
        assert sum(stack_losses(report).values()) == cut
        assert stack_losses(report).keys() <= {"stack_no_mapping", "stack_no_rule"}
    child.expect("end")


def test_children(start, attach, program, tmp_path):
    child = start(program, "children")
    child.expect("ready")
    watcher = attach(child, "-f", *TRACEBACKS)
    child.send()
    for name, news in (("forked", 0), ("forked twice", 0), ("executed", 1), ("executed", 1)):
        ours, theirs, report = stand(child, watcher, tmp_path, name, news)
        assert_equal(*callers(ours, theirs), name)
        assert not stack_losses(report)
    child.expect("end")


def test_children_at_once(start, attach, program, tmp_path):
    """A fork's child has its parent's mappings; a program that begins has none that are known, for a moment."""
    child = start(program, "children", "at once")
    child.expect("ready")
    watcher = attach(child, "-f", *TRACEBACKS)
    child.send()
    for name in ("forked", "forked twice", "executed", "executed"):
        ours, theirs, report = stand(child, watcher, tmp_path, name)
        cut = assert_equal_or_cut(ours, theirs, report, name)
        assert not cut or name == "executed"
    child.expect("end")


def names(stack):
    return [frame.function for frame in stack]


def test_generated_code(start, attach, program, tmp_path):
    """gdb does not find its way through code without a symbol; what called what stands in the source."""
    child = start(program, "generated")
    child.expect("ready")
    watcher = attach(child, *TRACEBACKS)
    child.send()
    outer = ["stand", "generated", "main", "__libc_start_call_main", "__libc_start_main_impl", "_start"]

    ours, _, report = stand(child, watcher, tmp_path, "with", news=2)
    assert names(ours)[:2] == ["leaf", "plain_0"] and names(ours)[3:] == outer
    assert not stack_losses(report)

    ours, _, report = stand(child, watcher, tmp_path, "around libc")
    found = names(ours)
    assert found[:2] == ["leaf", "plain_1"] and found[3] == "compare"
    assert found[-len(outer) - 3] == "sort" and found[-len(outer) - 1:] == ["through_twice", *outer]
    assert ours[2].page_offset == ours[-len(outer) - 2].page_offset == 11
    assert all("libc" in frame.module for frame in ours[4:-len(outer) - 3])
    assert not stack_losses(report)

    # rbp leads nowhere: the stack ends, and that is counted.
    ours, _, report = stand(child, watcher, tmp_path, "without")
    assert names(ours)[:2] == ["leaf", "plain_2"] and len(ours) == 3
    assert stack_losses(report) == {"stack_no_rule": 1}
    child.expect("end")
