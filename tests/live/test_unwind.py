# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Stacks against gdb's, of the same thread at the same instant, over compilers and what they can be told."""

import pytest

from unwinding import Stack, assert_equal, build, cases_of, watch

# A segment of its own for one of the functions.
FAR = " -Wl,--section-start=far_code=0x4000000"
BUILDS = [
    ("gcc", "-O0"), ("gcc", "-O0 -fno-asynchronous-unwind-tables"), ("gcc", "-O1 -no-pie -fomit-frame-pointer"),
    ("gcc", "-O2" + FAR), ("gcc", "-O2 -fno-omit-frame-pointer -Wl,-z,now"), ("gcc", "-O3 -fno-plt"),
    ("gcc", "-O2 -fcf-protection -Wl,-z,ibtplt -Wl,-z,lazy" + FAR), ("gcc", "-O2 -Wl,-z,noseparate-code"),
    ("gcc", "-Os -static"), ("gcc", "-O2 -static-pie" + FAR), ("gcc", "-Og -fstack-clash-protection -mpush-args"),
    ("clang", "-O0"), ("clang", "-O1 -no-pie"), ("clang", "-O2 -fuse-ld=lld"), ("clang", "-O3 -fomit-frame-pointer"),
]
SOURCE_FILES = ("unwind_cases.c", "unwind_assembly.S")


@pytest.fixture(scope="module", params=BUILDS, ids=lambda build: " ".join(build))
def standing(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("unwind")
    return watch(directory, [build(directory / "cases", *request.param, *SOURCE_FILES)])


@pytest.mark.parametrize("case", cases_of("unwind_cases.c"))
def test_frames_equal_gdbs(standing, case):
    assert_equal(standing.ours[case], standing.theirs[case], case)


def test_no_stack_is_cut(standing):
    assert not standing.losses


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return build(tmp_path_factory.mktemp("unwind") / "cases", "gcc", "-O2", *SOURCE_FILES)


def test_as_deep_as_can_be(program, tmp_path):
    """127 frames, of which leaf's is the first, are whole; of deeper stacks the inner 127 are there, and counted."""
    shallow = watch(tmp_path, [program, 0, 1])
    others = len(shallow.theirs["0"])
    for frames, whole in ((126, True), (127, True), (128, False), (201, False)):
        depth = str(frames - 1 - others)
        deep = watch(tmp_path, [program, depth, "1"])
        assert len(deep.theirs[depth]) == frames - 1
        assert_equal(deep.ours[depth], Stack(deep.theirs[depth][:126]), depth)
        assert deep.losses == ({} if whole else {"stack_truncated": 1}), frames
