# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Stacks of a program that stands still, by memwatch and by gdb (tests/targets/unwind_run.h)."""

import collections
import itertools
import subprocess
from pathlib import Path

from helpers import MEMWATCH, SOURCES, Child

TRACEBACKS = ("-g", "traceback", "--frames", "0", "--no-skip")

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

Frame = collections.namedtuple("Frame", "module page_offset function")


class Stack(list):
    """From the inside outwards; two are equal if all code addresses are, be they named alike or not."""

    def places(self):
        return [(frame.module, frame.page_offset) for frame in self]

    def __str__(self):
        return "".join(f"\n    {frame.page_offset:#05x} {frame.function} ({frame.module})" for frame in self)


def build(path, compiler, flags, *sources):
    subprocess.run([compiler, "-D_GNU_SOURCE", "-g", "-pthread", *flags.split(),
                    *(SOURCES / source for source in sources), "-o", path], check=True)
    return path


def mappings(pid):
    found = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(None, 5)
        start, end = (int(part, 16) for part in fields[0].split("-"))
        found.append((start, end, fields[5] if len(fields) > 5 else None))
    return found


def stacks_of_gdb(pid, directory):
    """thread → its stack from the frame that stands still outwards."""
    script = directory / "frames.gdb"
    script.write_text(GDB)
    run = subprocess.run(["gdb", "-q", "-nx", "-batch", "-p", str(pid), "-ex", "set backtrace past-main on",
                          "-ex", "set backtrace past-entry on", "-ex", "set backtrace limit 400", "-x", script],
                         capture_output=True, text=True, timeout=60)
    maps = mappings(pid)
    threads = collections.defaultdict(Stack)
    for line in run.stdout.splitlines():
        if line.startswith("frame "):
            _, thread, pc, name = line.split(maxsplit=3)
            pc = int(pc, 16)
            module = next((path for start, end, path in maps if start <= pc < end), None)
            threads[int(thread)].append(Frame(module, pc & 0xfff, name))
    stacks = {}
    for thread, frames in threads.items():
        # Where a coroutine begins no row says so, and gdb takes what lies above for frames.
        frames = list(itertools.takewhile(lambda frame: frame.module, frames))
        names = [frame.function.partition("(")[0] for frame in frames]
        if "stand_still" in names:
            stacks[thread] = Stack(frames[names.index("stand_still") + 1:])
    assert stacks, f"gdb found none that stands still: {run.stdout}{run.stderr}"
    return stacks


def stack_of_memwatch(traceback):
    """A frame and what is inlined in it have one offset; a recursion's frames have one function and line, too."""
    frames = []
    for entry in traceback:
        place = (entry["module"], entry["module_offset"])
        if frames and frames[-1][0] == place and frames[-1][1] != (entry["function"], entry["line"]):
            continue
        frames.append((place, (entry["function"], entry["line"])))
    return Stack(Frame(module, offset & 0xfff, function) for (module, offset), (function, _) in frames)


def stacks_of_report(report):
    """size → the stack it was allocated by; sizes by which more than one stack allocated are left out."""
    found = collections.defaultdict(list)
    for stat in report["stats"]:
        if stat["count"] == 1:
            found[stat["size"]].append(stack_of_memwatch(stat["traceback"]))
    return {size: stacks[0] for size, stacks in found.items() if len(stacks) == 1}


def stack_losses(report):
    """reason → how many stacks are cut for it."""
    return {key: loss["events"] for key, loss in report["losses"].items() if key.startswith("stack_")}


Standing = collections.namedtuple("Standing", "ours theirs losses report")


def callers(ours, theirs):
    """
    What is to be equal. The frame that allocated stands elsewhere by now, and functions of libraries that it allocated
    by have returned.
    """
    module = theirs[0].module
    inner = list(itertools.takewhile(lambda frame: frame.module != module, ours)) if ours else []
    return ours and Stack(ours[len(inner) + 1:]), Stack(theirs[1:])


def watch(directory, command, options=()):
    """Runs a program of unwind_run.h under memwatch. Returns case → stack for memwatch and for gdb, and the losses."""
    child = Child(command)
    watcher = None
    try:
        child.expect("ready")
        watcher = Child([MEMWATCH, "--json", "--top", "0", *TRACEBACKS, *options, "-p", child.pid, "200ms"])
        watcher.report()
        child.send()
        cases = [line.split(None, 3)[1:] for line in child.expect("here") if line.startswith("case ")]
        gdb = stacks_of_gdb(child.pid, directory)
        report = watcher.later_report()
    finally:
        for process in filter(None, (watcher, child)):
            process.end()
    found = stacks_of_report(report)
    ours, theirs = {}, {}
    for size, thread, name in cases:
        ours[name], theirs[name] = callers(found.get(int(size)), gdb[int(thread)])
    return Standing(ours, theirs, stack_losses(report), report)


def assert_equal(ours, theirs, case=""):
    assert ours is not None, f"{case}: memwatch has no such block"
    assert ours.places() == theirs.places(), f"{case}: memwatch: {ours}\ngdb: {theirs}"


def cases_of(source):
    """The names in a source's table of cases."""
    lines = (SOURCES / source).read_text().splitlines()
    return [line.strip().split('"')[1] for line in lines if line.startswith('\t{"')]
