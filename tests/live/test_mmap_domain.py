# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The program's own mappings, cut, overlapped, moved; without the allocator's."""

import re
from pathlib import Path

from helpers import by_line, expected_lines, target


def vm_size(pid):
    return int(re.search(r"VmSize:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def of_domain(report, domain):
    return {**report, "stats": [stat for stat in report["stats"] if stat["domain"] == domain]}


def sizes(report):
    return {line: size for line, (size, _) in by_line(report, "mmap_program.c").items() if size}


def expected(text):
    return {line: numbers[0] for line, numbers in expected_lines(text).items()}


def test_the_account_is_the_kernels(start):
    """What the program says of itself, against the kernel."""
    child = start(target("mmap_program"))
    child.expect("ready")
    before = vm_size(child.pid)
    child.send()
    lines = child.expect("done")
    allocators_own = (64 << 20) + 4096
    assert vm_size(child.pid) - before == sum(expected("\n".join(lines)).values()) + allocators_own


def test_from_the_start(run):
    done = run(["--domains", "mmap", "-g", "lineno"], [target("mmap_program")])
    assert done.status == 0, done.stderr
    report = done.at_exit()
    assert sizes(report) == expected(done.stdout)
    assert report["losses"] == {}


def test_both_domains(run):
    done = run(["--domains", "heap,mmap", "-g", "lineno"], [target("mmap_program")])
    report = done.at_exit()
    assert sizes(of_domain(report, "mmap")) == expected(done.stdout)
    assert sum(sizes(of_domain(report, "heap")).values()) == 64 << 20
    assert set(report["domains"]) == {"heap", "mmap"}


def test_while_attached(start, attach):
    child = start(target("mmap_program"))
    child.expect("ready")
    watcher = attach(child, "--domains", "mmap", "-g", "lineno")
    child.send()
    text = "\n".join(child.expect("done"))
    assert sizes(watcher.later_report()) == expected(text)
