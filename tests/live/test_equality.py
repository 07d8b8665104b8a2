# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""memwatch equals the oracle, by site, for every number, with nothing lost: on a program made to break it."""

import os

import pytest

from helpers import assert_same_sites, assert_same_total, by_line, expected_lines, target

# Calls, not probe hits: each has one or two of those in the recorder and again in the C library.
EVENTS = int(os.environ.get("MEMWATCH_EVENTS", 21_000_000))
EVENTS_SLOW = int(os.environ.get("MEMWATCH_EVENTS_SLOW", 21_000_000))
MODES = [("session", EVENTS), ("multi", EVENTS_SLOW), ("perf", EVENTS_SLOW)]


@pytest.mark.parametrize("mode,events", MODES)
def test_stress(run, oracle, mode, events):
    # The margin: calls that are no events, such as free(NULL).
    done = run(["--attach-mode", mode, "-g", "traceback", "--frames", "1"],
               [target("stress"), "-n", events], env=oracle.environment(), timeout=60 + events / 10_000)
    assert done.status == 0, done.stderr
    report = done.at_exit()
    image = oracle.image(pid=report["pid"])
    assert image["calls"] >= 0.95 * events
    assert report["losses"] == {}
    assert_same_sites(report, image)
    assert_same_total(report, image)


@pytest.mark.parametrize("mode", [mode for mode, _ in MODES])
def test_stress_by_its_own_account(run, mode):
    """The third witness, with the C library's malloc alone under the probes."""
    done = run(["--attach-mode", mode, "-g", "lineno"], [target("stress"), "-n", 200_000, "-e"])
    assert done.status == 0, done.stderr
    report = done.at_exit()
    assert report["losses"] == {}
    assert by_line(report, "stress.c") == expected_lines(done.stdout)


def test_seeds(run, oracle):
    """Other schedules, other mixtures."""
    for seed in (1, 2, 3):
        done = run(["-g", "traceback", "--frames", "1"], [target("stress"), "-n", 100_000, "-s", seed],
                   env=oracle.environment())
        report = done.at_exit()
        assert report["losses"] == {}
        assert_same_sites(report, oracle.image(pid=report["pid"]))
