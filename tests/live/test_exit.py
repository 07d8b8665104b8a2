# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`memwatch -- CMD`: what is outstanding at exit, and whose exit status it is."""

import os
import signal

import pytest

from helpers import MEMWATCH, marked_line, read_reports, target

LEAK = [target("leak"), "-i", "0", "-r", "100", "-s", "1016"]
LEAKED = 100 * 1024  # the struct's pointer and the bytes


@pytest.mark.parametrize("status", [0, 1, 7, 200])
def test_status_is_passed_on(run, status):
    done = run([], [*LEAK, "-x", status])
    assert done.status == status
    assert done.at_exit()["rss"] is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_signal(run, number):
    done = run([], [*LEAK, "-k", int(number)])
    assert done.status == 128 + number
    assert done.at_exit()["total"]["size"] >= LEAKED


def test_leaking_line_comes_first(run):
    report = run(["-g", "lineno"], LEAK).at_exit()
    worst = report["stats"][0]
    assert os.path.basename(worst["file"]) == "leak.c"
    assert (worst["line"], worst["function"]) == (marked_line("leak.c", "the leak"), "open_session")
    assert (worst["size"], worst["count"]) == (LEAKED, 100)


@pytest.mark.parametrize("option,status", [
    (["--fail-on-leak"], 3),
    (["--fail-on-leak=1K"], 3),
    (["--fail-on-leak=100M"], 0),
])
def test_fail_on_leak(run, option, status):
    assert run(option, LEAK).status == status


def test_fail_on_leak_that_does_not_hold(run):
    assert run(["--fail-on-leak=100M"], [*LEAK, "-x", "7"]).status == 7


def test_fail_on_leak_without_a_leak(run, oracle):
    """Whether that program leaks is for the oracle to say."""
    done = run(["--fail-on-leak"], [target("requests")], env=oracle.environment())
    # No books: not one call.
    leaked = sum(image["total"]["size"] for image in oracle.images() if image["exe"] == target("requests"))
    assert done.status == (3 if leaked else 0)


def test_signals_reach_the_command(start, tmp_path):
    """Ctrl-C is for the command, as without memwatch; its report is still printed."""
    output = tmp_path / "report"
    watcher = start(MEMWATCH, "--json", "-o", output, "--", target("requests"), start_new_session=True)
    assert watcher.ask("alloc 1000 5") == "ok"
    os.killpg(watcher.pid, signal.SIGINT)
    assert watcher.wait() == 128 + signal.SIGINT
    assert read_reports(output)[-1]["total"]["size"] >= 5000


def test_output_of_the_command_is_its_own(run):
    done = run([], ["sh", "-c", "echo out; echo err >&2"])
    assert done.stdout == "out\n"
    assert "err\n" in done.stderr
