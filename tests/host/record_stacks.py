#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Records stacks of real programs for test_unwind.c: a thread's registers, mappings and stack memory, and gdb's frames.

usage: record_stacks.py DIRECTORY

Programs of ours are compiled into DIRECTORY, others are the machine's own. A program whose recordings are there, of
the very files that are installed now, is not run again. gdb runs this file, too, once for each program.

A recording, NAME.stack:

    frames N whole|cut
    PC SP BP BX KIND        N times, innermost first, hexadecimal; KIND: call, signal or interrupted (by a signal)
    maps BYTES
    ...                     /proc/PID/maps
    regions N
    START SIZE              N times, hexadecimal
    ...                     the memory of all regions
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

try:
    import gdb
except ImportError:
    gdb = None

SOURCES = pathlib.Path(__file__).resolve().parent
TARGETS = SOURCES.parent / "targets"
REGION_MAX = 256 << 10
FRAMES_MAX = 200

BUILDS = {
    "gcc-O0": ["gcc", "-O0"],
    "gcc-O2": ["gcc", "-O2"],
    "gcc-O3-avx2": ["gcc", "-O3", "-mavx2", "-fno-plt"],
    "gcc-O1-no-pie": ["gcc", "-O1", "-no-pie", "-fomit-frame-pointer"],
    "gcc-Os-static": ["gcc", "-Os", "-static"],
    "clang-O2": ["clang", "-O2"],
    "clang-O3-no-fp": ["clang", "-O3", "-fomit-frame-pointer"],
}
EVERY = [0] * 1000
EVERY_MIN = 20
ATTEMPTS = 3

# Stops at getppid.
PYTHON_PROGRAM = """
import functools, json, os, re, threading
def nested(depth):
    return sorted([2], key=lambda x: nested(depth - 1) + x)[0] if depth else os.getppid()
def again(match):
    return "<" + str(functools.reduce(lambda a, b: a + b + os.getppid(), range(2))) + ">"
class Counted:
    def __getattr__(self, name):
        return re.sub("b+", again, "abba") + name
    def __del__(self):
        nested(2)
def generate():
    yield from map(nested, (1, 5, 50))
getattr(Counted(), "x")
json.dumps(Counted, default=lambda one: os.getppid())
thread = threading.Thread(target=lambda: sum(generate()))
thread.start()
thread.join()
exec("sum(generate())")
"""
SQL = """
create table t(a integer primary key, b text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 300) insert into t select i, hex(randomblob(900)) from n;
create index u on t(b);
select count(*), group_concat(substr(b, 1, 20)) from (select distinct b from t order by b desc);
"""


def programs(directory):
    """Name, what builds it, path, arguments, function to stop in, calls that go by before each recording.

    Nobody else has probes in these functions, whose traps gdb would not see.
    """
    for name, compiler in BUILDS.items():
        path = directory / f"unwind_cases-{name}"
        sources = [TARGETS / "unwind_cases.c", TARGETS / "unwind_assembly.S"]
        build = [*compiler, "-w", "-D_GNU_SOURCE", "-g", "-pthread", *sources, "-o", path]
        yield path.name, build, path, [], "stand_still", EVERY
    path = directory / "cpp_stacks"
    build = ["g++", "-std=gnu++17", "-O2", "-g", "-pthread", SOURCES / "cpp_stacks.cc", "-o", path]
    yield path.name, build, path, [], "stand_still", EVERY
    yield "python3", None, "/usr/bin/python3", ["-S", "-c", PYTHON_PROGRAM], "getppid", [0] * 9
    yield "sqlite3", None, "/usr/bin/sqlite3", [":memory:", SQL], "pthread_mutex_lock", [20, 50, 50, 50, 50, 50]
    serve = ["--port", "0", "--unixsocket", "redis.socket", "--dir", str(directory), "--save", ""]
    yield "redis-server", None, "/usr/bin/redis-server", serve, "pthread_create", [0, 0, 0]


# --- within gdb ---


def register(frame, name):
    try:
        return int(frame.read_register(name)) & (2**64 - 1)
    except gdb.error:
        return 0


def machine_frames(ranges):
    """From the caller of the function that the thread is in. Frames that are one in the machine: neither inlined nor
    made up for a tail call. Beyond the program's entry gdb goes on by what it finds there: that is no code."""
    frames = []
    frame = gdb.newest_frame()
    while frame is not None and any(start <= frame.pc() < end and "x" in flags for start, end, flags in ranges):
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            kind = "call"
            if frame.type() == gdb.SIGTRAMP_FRAME:
                kind = "signal"
            elif frames and frames[-1][4] == "signal":
                kind = "interrupted"
            frames.append((frame.pc(), register(frame, "rsp"), register(frame, "rbp"), register(frame, "rbx"), kind))
        frame = frame.older()
    return frames[1:]


def mapped_ranges(maps):
    for line in maps.splitlines():
        place, flags = line.split()[:2]
        start, end = (int(part, 16) for part in place.split("-"))
        yield start, end, flags


def stack_regions(frames, ranges):
    regions = {}
    for _, sp, _, _, _ in sorted(frames, key=lambda frame: frame[1]):
        for start, end, _ in ranges:
            if start <= sp < end and not any(begin <= sp < begin + size for begin, size in regions.items()):
                regions[sp & ~15] = min(end - (sp & ~15), REGION_MAX)
    return regions


def record(path):
    inferior = gdb.selected_inferior()
    maps = pathlib.Path(f"/proc/{inferior.pid}/maps").read_text()
    ranges = list(mapped_ranges(maps))
    frames = machine_frames(ranges)
    regions = stack_regions(frames, ranges)
    lines = [f"frames {len(frames)} {'cut' if len(frames) + 1 == FRAMES_MAX else 'whole'}"]
    lines += ["%x %x %x %x %s" % frame for frame in frames]
    lines += [f"maps {len(maps.encode())}", maps + f"regions {len(regions)}"]
    lines += ["%x %x" % region for region in regions.items()]
    with open(path, "wb") as file:
        file.write(("\n".join(lines) + "\n").encode())
        for start, size in regions.items():
            file.write(inferior.read_memory(start, size).tobytes())


def run_in_gdb(order):
    for setting in ("debuginfod enabled off", "confirm off", "pagination off", "breakpoint pending on",
                    "backtrace past-main on", "backtrace past-entry on", f"backtrace limit {FRAMES_MAX}",
                    "print thread-events off"):
        gdb.execute(f"set {setting}", to_string=True)
    gdb.execute("handle SIGUSR1 SIGUSR2 SIGURG SIGSEGV nostop noprint pass", to_string=True)
    exited = []
    gdb.events.exited.connect(exited.append)
    stop = gdb.Breakpoint(order["function"])
    stop.silent = True
    recorded = []
    for number, skip in enumerate(order["skips"]):
        stop.ignore_count = skip
        gdb.execute("continue" if number else "run", to_string=True)
        if exited:
            break
        recorded.append(f"{order['base']}-{number}.stack")
        record(recorded[-1])
    if not exited:
        gdb.execute("kill", to_string=True)
    if len(recorded) < min(len(order["skips"]), EVERY_MIN):
        raise gdb.GdbError(f"the program ended too early, after {len(recorded)} stops")
    pathlib.Path(order["base"] + ".list").write_text("\n".join(recorded))


# --- from make ---


def is_fresh(recording, newest):
    """Whether it is of the files that are there now."""
    made = recording.stat().st_mtime
    maps = recording.read_bytes().split(b"\nmaps ", 1)[1].split(b"\nregions ", 1)[0].decode()
    for line in maps.splitlines()[1:]:
        fields = line.split(maxsplit=5)
        if "x" not in fields[1] or fields[4] == "0":
            continue
        try:
            status = os.stat(fields[5])
        except OSError:
            return False
        if str(status.st_ino) != fields[4]:
            return False
    return made > newest


def make_recordings(directory, name, build, program, arguments, function, skips):
    """Returns None, or what went wrong."""
    sources = [__file__, *(part for part in build or [] if pathlib.Path(part).suffix in (".c", ".cc", ".S"))]
    newest = max(os.stat(source).st_mtime for source in sources)
    listed = directory / f"{name}.list"
    if listed.exists() and all(is_fresh(pathlib.Path(line), newest) for line in listed.read_text().splitlines()):
        return None
    if build:
        subprocess.run(build, check=True)
    order = {"base": str(directory / name), "function": function, "skips": skips}
    # gdb can miss that libraries are loaded, where others have probes in the loader; then it stops nowhere.
    for _ in range(ATTEMPTS):
        for path in (listed, *directory.glob(f"{name}-*.stack")):
            path.unlink(missing_ok=True)
        run = subprocess.run(["gdb", "-q", "-nx", "-batch", "-x", __file__, "--args", program, *arguments],
                             env={**os.environ, "MEMWATCH_RECORD": json.dumps(order)}, timeout=100,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if listed.exists():
            return None
    return f"{name} could not be recorded: {run.stdout}"


def main(directory):
    directory.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = pool.map(lambda program: make_recordings(directory, *program), programs(directory))
        sys.exit("\n".join(filter(None, failures)) or None)


if gdb:
    run_in_gdb(json.loads(os.environ["MEMWATCH_RECORD"]))
elif len(sys.argv) == 2:
    main(pathlib.Path(sys.argv[1]).resolve())
else:
    sys.exit(__doc__)
