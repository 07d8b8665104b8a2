# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Stacks against gdb's, of the same thread at the same instant."""

import shutil
import subprocess

import pytest

from helpers import SOURCES, target

BUILDS = [
    ("gcc", "-O0"), ("gcc", "-O1 -no-pie -fomit-frame-pointer"), ("gcc", "-O2"), ("gcc", "-O3 -fno-plt"),
    ("gcc", "-Os -static"), ("gcc", "-O2 -static-pie"), ("clang", "-O0"), ("clang", "-O2"),
    ("clang", "-O3 -fomit-frame-pointer"),
]
CASES = ["plain", "alloca", "array", "realigned", "deep", "tail", "callback", "signal", "thread"]

# Frames that are one in the machine: neither inlined nor made up for a tail call.
GDB = """
python
for thread in gdb.selected_inferior().threads():
    thread.switch()
    frame = gdb.newest_frame()
    while frame is not None:
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            print("frame", thread.ptid[1], hex(frame.pc()), frame.name())
        frame = frame.older()
end
"""


def frames_of_gdb(pid, tmp_path):
    """Program counters of the thread that stands in leaf(), from leaf's caller outwards."""
    script = tmp_path / "frames.gdb"
    script.write_text(GDB)
    run = subprocess.run(["gdb", "-q", "-nx", "-batch", "-p", str(pid), "-ex", "set backtrace past-main on",
                          "-ex", "set backtrace past-entry on", "-ex", "set backtrace limit 200", "-x", script],
                         capture_output=True, text=True, timeout=60)
    threads = {}
    for line in run.stdout.splitlines():
        if line.startswith("frame "):
            _, thread, pc, name = line.split(maxsplit=3)
            threads.setdefault(thread, []).append((int(pc, 16), name))
    for frames in threads.values():
        names = [name for _, name in frames]
        if "leaf" in names:
            return frames[names.index("leaf") + 1:]
    raise AssertionError(f"gdb found no leaf(): {run.stdout}{run.stderr}")


def machine_frames(traceback):
    """A frame and what is inlined in it have one offset; a recursion's frames have one function and line, too."""
    frames = []
    for entry in traceback:
        place = (entry["module"], entry["module_offset"])
        if frames and frames[-1][0] == place and frames[-1][1] != (entry["function"], entry["line"]):
            continue
        frames.append((place, (entry["function"], entry["line"])))
    return [place for place, _ in frames]


@pytest.fixture(scope="module", params=BUILDS, ids=lambda build: " ".join(build))
def program(request, tmp_path_factory):
    compiler, flags = request.param
    path = tmp_path_factory.mktemp("unwind") / "cases"
    subprocess.run([compiler, "-D_GNU_SOURCE", "-g", "-pthread", *flags.split(), SOURCES / "unwind_cases.c", "-o", path],
                   check=True)
    return path


@pytest.mark.parametrize("case", CASES)
def test_frames_equal_gdbs(start, attach, program, tmp_path, case):
    assert shutil.which("gdb")
    child = start(program, case)
    child.expect("ready")
    watcher = attach(child, "-g", "traceback", "--frames", "0", "--no-skip")
    child.send()
    child.expect("here")
    theirs = frames_of_gdb(child.pid, tmp_path)
    report = watcher.later_report()
    child.send()
    [ours] = [stat["traceback"] for stat in report["stats"] if stat["size"] == 7777]
    places = machine_frames(ours)[1:]
    assert [hex(offset & 0xfff) for _, offset in places] == [hex(pc & 0xfff) for pc, _ in theirs], \
        f"{places} is not {theirs}"
    assert not [key for key in report["losses"] if key.startswith("stack_")]
