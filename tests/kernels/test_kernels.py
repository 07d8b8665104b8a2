# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""memwatch on older kernels, in each attach mode that they have: what the scenarios of `init` left in the machine."""

import json

from helpers import assert_same_sites, assert_same_total, by_line, check_books, expected_lines, lost_blocks, marked_line

from conftest import EVENTS, MODES


def finished(machine, name):
    """A run that went well."""
    files = machine.files(name)
    done = files.finished()
    assert done.status == 0, files.all()
    return done


def test_machine(machine, series):
    """It ran to its end, and the kernel complained of nothing."""
    assert machine.files("version").text("scenario.out").startswith(series + ".")
    assert machine.splats() == []
    assert not machine.hung and "scenarios: done" in machine.console(), machine.console()[-3000:]


def test_modes_are_found(machine, series):
    """The verifier accepts the programs, and memwatch sees what the kernel can."""
    stderr = finished(machine, "features").stderr
    line = next(line for line in stderr.splitlines() if line.startswith("memwatch: kernel: "))
    for mode in ("session", "multi", "perf"):
        assert f"{mode} uprobes {'yes' if mode in MODES[series][0] else 'no'}" in line
    assert f"attach mode {MODES[series][0][0]};" in stderr


def test_other_modes_are_refused(machine, series):
    for mode in MODES[series][1]:
        done = machine.files(f"refused.{mode}").finished()
        assert done.status == 1
        assert done.stderr.startswith("memwatch: ") and len(done.stderr.splitlines()) == 1
        assert done.reports == []


def test_leak(machine, mode):
    report = finished(machine, f"leak.{mode}").at_exit()
    lines = by_line(report, "leak.c")
    assert lines.pop(marked_line("leak.c", "the leak")) == (1000 * 1008, 1000)
    # The cache: what the last 64 requests put there.
    assert list(lines.values()) == [(sum(100 + request for request in range(1000 - 64, 1000)), 64)]
    assert report["losses"] == {}


def assert_equals_oracle(machine, name):
    report = finished(machine, name).at_exit()
    files = machine.files(name)
    books = [json.loads(files.text(file)) for file in files if file.startswith("books.")]
    for image in books:
        check_books(image)
    (image,) = [image for image in books if image["pid"] == report["pid"]]
    assert report["losses"] == {}
    assert_same_sites(report, image)
    assert_same_total(report, image)
    return image


def test_stress(machine, mode):
    """Every number of every site."""
    assert assert_equals_oracle(machine, f"stress.{mode}")["calls"] >= 0.95 * EVENTS


def test_operators(machine, mode):
    """Of C++, whose sites are within libstdc++."""
    assert assert_equals_oracle(machine, f"operators.{mode}")["calls"] > 0


def test_stress_by_its_own_account(machine, mode):
    done = finished(machine, f"account.{mode}")
    report = done.at_exit()
    assert report["losses"] == {}
    assert by_line(report, "stress.c") == expected_lines(done.stdout)


def test_killed_watcher(machine, mode):
    """The target of a watcher that is killed goes on, and no breakpoint stays."""
    files = machine.files(f"killed.{mode}")
    assert files.number("status") == 128 + 9, files.all()
    last = files.reports()[-1]
    assert by_line(last, "requests.c") == {marked_line("requests.c", "kept"): (1000, 10)}
    assert last["losses"] == {}
    assert files.number("changed.before") == 0 and files.number("changed.after") == 0, files.all()
    assert files.number("changed.during") > 0, "this test would not see a breakpoint"
    assert files.text("answers").split() == ["ok"] * 4
    assert files.number("target.status") == 0, files.all()


def test_children_are_followed(machine, mode):
    done = finished(machine, f"follow.{mode}")
    line = marked_line("fork_tree.c", "kept")
    tree = {int(pid): int(depth) for _, pid, depth in (line.split() for line in done.stdout.splitlines())}
    assert len(tree) == 7
    for pid, depth in tree.items():
        report = done.at_exit(pid)
        assert by_line(report, "fork_tree.c")[line] == (1000 * (depth + 1), depth + 1), (pid, depth)
        assert lost_blocks(report) == {}


def test_exec_closes_the_account(machine, mode):
    report = finished(machine, f"exec.{mode}").at_exit()
    assert by_line(report, "exec_chain.c")[marked_line("exec_chain.c", "kept")] == (500, 1)
    assert lost_blocks(report) == {}


def test_threads_die(machine, mode):
    report = finished(machine, f"threads.{mode}").at_exit()
    assert by_line(report, "threads_die.c")[marked_line("threads_die.c", "left")] == (3 * 4 * 123, 3 * 4)
    assert report["losses"].keys() <= {"missed_return"}
    assert report["losses"].get("missed_return", {"events": 0})["events"] <= 4


def test_seccomp(machine, mode):
    """memwatch works or refuses; it never kills the target, and refuses only where the kernel would."""
    files, risk = machine.files(f"seccomp.{mode}"), machine.files(f"risk.{mode}")
    assert files.text("answers").split() == ["ok"] * 5, files.all()
    assert files.number("target.status") == 0, files.all()
    kills = risk.number("target.status") != 0
    assert files.number("status") == (1 if kills else 0), files.all() + risk.all()
    if kills:
        assert "seccomp" in files.text("stderr")
    else:
        line = marked_line("seccomp_target.c", "kept")
        assert by_line(files.reports()[-1], "seccomp_target.c") == {line: (5 * 111, 5)}
