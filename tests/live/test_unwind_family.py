# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Stacks of allocations by functions that call each other, and by a malloc of the program's own around libc's."""

import pytest

from unwinding import assert_equal, build, cases_of, watch

FLAGS = "-std=gnu++20 -O2 -fno-builtin"
RUNS = [(FLAGS, "session"), (FLAGS + " -DWRAPPED", "session"), (FLAGS + " -DWRAPPED", "multi"),
        (FLAGS + " -DWRAPPED", "perf")]


@pytest.fixture(scope="module", params=RUNS, ids=" ".join)
def standing(request, tmp_path_factory):
    flags, mode = request.param
    directory = tmp_path_factory.mktemp("unwind")
    return watch(directory, [build(directory / "cases", "g++", flags, "unwind_family.cc")],
                 options=("--attach-mode", mode))


@pytest.mark.parametrize("case", cases_of("unwind_family.cc"))
def test_frames_equal_gdbs(standing, case):
    assert_equal(standing.ours[case], standing.theirs[case], case)


def test_no_stack_is_cut(standing):
    assert not standing.losses
