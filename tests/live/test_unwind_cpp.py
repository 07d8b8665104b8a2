# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Stacks of C++ against gdb's."""

import pytest

from unwinding import assert_equal, build, cases_of, watch

STANDARD = "-std=gnu++20 "
BUILDS = [
    ("g++", "-O0"), ("g++", "-O1 -fomit-frame-pointer -no-pie"), ("g++", "-O2"), ("g++", "-O3 -fno-plt -Wl,-z,now"),
    ("g++", "-O2 -static"), ("clang++", "-O0 -fuse-ld=lld"), ("clang++", "-O2"),
]


@pytest.fixture(scope="module", params=BUILDS, ids=lambda build: " ".join(build))
def standing(request, tmp_path_factory):
    compiler, flags = request.param
    directory = tmp_path_factory.mktemp("unwind")
    return watch(directory, [build(directory / "cases", compiler, STANDARD + flags, "unwind_cpp.cc")])


@pytest.mark.parametrize("case", cases_of("unwind_cpp.cc"))
def test_frames_equal_gdbs(standing, case):
    assert_equal(standing.ours[case], standing.theirs[case], case)


def test_no_stack_is_cut(standing):
    assert not standing.losses
