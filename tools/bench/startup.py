# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How soon memwatch is at work on a process with many libraries."""

import os
import subprocess
import time

from common import BENCH, MEMWATCH, REPOSITORY, Broken, Child, mapped_file, median, table, verdict, wait_until_clean

LIBRARIES = 150
ROUNDS = 5
PROBES_LIMIT, REPORT_LIMIT = 0.5, 2.0


def libraries():
    """Paths of the libraries, built where they are missing or older than their source."""
    directory = BENCH / "libraries.d"
    source = REPOSITORY / "tools" / "bench" / "library.c"
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"libbench{number}.so" for number in range(LIBRARIES)]
    for number, path in enumerate(paths):
        if path.exists() and path.stat().st_mtime >= source.stat().st_mtime:
            continue
        made = path.with_suffix(".tmp")
        subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu11", "-O1", "-g", "-fPIC", "-shared", "-fno-builtin",
                        f"-DNUMBER={number}", source, "-o", made], check=True)
        made.rename(path)
    return paths


def one(paths):
    """(probes in place, recording, first report) in seconds since memwatch was started."""
    target = Child(BENCH / "libraries", *paths)
    watcher = None
    try:
        target.line()
        libc = mapped_file(target.pid, "libc.so")
        begin = time.monotonic()
        watcher = Child(MEMWATCH, "-p", target.pid, "1")
        probed = int(target.line()) / 1e9 - begin
        watcher.error_line("memwatch: exact:")
        recording = time.monotonic() - begin
        while "Total:" not in watcher.line():
            pass
        reported = time.monotonic() - begin
        watcher.end()
        wait_until_clean(target.pid, libc)
    finally:
        target.end()
        if watcher:
            watcher.end()
    return probed, recording, reported


def run_attach():
    try:
        paths = libraries()
    except (OSError, subprocess.CalledProcessError) as error:
        raise Broken(f"cannot build the libraries: {error}") from error
    runs = [one(paths) for _ in range(ROUNDS)]
    probed, recording, reported = ([run[column] for run in runs] for column in range(3))
    rows = [[what, f"{median(values):.3f}", f"{min(values):.3f}", f"{max(values):.3f}"]
            for what, values in (("probes in place", probed), ("recording", recording),
                                 ("first report, interval 1 s", reported))]
    table(f"attach: seconds from the start of memwatch, {LIBRARIES} libraries, {ROUNDS} runs",
          ["", "median", "min", "max"], rows)
    verdict("probes in place", median(probed), PROBES_LIMIT, " s")
    verdict("first report", median(reported), REPORT_LIMIT, " s")
