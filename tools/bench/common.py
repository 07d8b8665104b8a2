# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the benchmarks share: children with a line-by-line conversation, medians, tables."""

import os
import select
import statistics
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
OUT = Path(os.environ.get("OUT", REPOSITORY / ".output")).resolve()
BENCH = OUT / "bench"
MEMWATCH = OUT / "memwatch"


class Broken(Exception):
    """A benchmark could not be run; what it would have said is not known."""


class Child:
    """A child process; what it prints is read line by line, never longer than a time limit."""

    def __init__(self, *command, cpu=None, out=subprocess.PIPE, err=subprocess.PIPE, **options):
        words = [str(word) for word in command]
        pin = ["taskset", "-c", str(cpu)] if cpu is not None else []
        self.name = os.path.basename(words[0])
        self.process = subprocess.Popen(pin + words, stdin=subprocess.PIPE, stdout=out, stderr=err, **options)
        self.pid = self.process.pid  # taskset executes the command in its own place
        self.buffers = {}

    def line(self, timeout=120, stream=None):
        """The next line of standard output (or @stream), without its end."""
        fd = (stream or self.process.stdout).fileno()
        buffer = self.buffers.get(fd, b"")
        deadline = time.monotonic() + timeout
        while b"\n" not in buffer:
            if not select.select([fd], [], [], max(deadline - time.monotonic(), 0))[0]:
                raise Broken(f"{self.name}: no line within {timeout} s")
            got = os.read(fd, 65536)
            if not got:
                raise Broken(f"{self.name} ended: {buffer.decode()} {self.errors()}")
            buffer += got
        line, _, self.buffers[fd] = buffer.partition(b"\n")
        return line.decode()

    def error_line(self, containing, timeout=120):
        """The next line of standard error that contains @containing."""
        while containing not in (line := self.line(timeout, self.process.stderr)):
            pass
        return line

    def errors(self):
        self.process.kill()
        self.process.wait()
        return self.process.stderr.read().decode() if self.process.stderr else ""

    def ask(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        return self.line()

    def end(self, signal=9):
        if self.process.poll() is None:
            self.process.send_signal(signal)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass


def watch(pid, *options, interval="3600"):
    """memwatch on @pid, once it records; its projection of the cost is the line that says so."""
    watcher = Child(MEMWATCH, *options, "-p", pid, interval)
    watcher.error_line("memwatch: exact:")
    return watcher


def mapped_file(pid, name):
    """The path of the file that @pid has mapped and whose name begins with @name."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        path = line.split(None, 5)[-1]
        if os.path.basename(path).startswith(name):
            return path
    raise Broken(f"process {pid} maps no {name}")


def changed_bytes(pid, path):
    """How many bytes of the executable mappings of @path differ from the file: breakpoints that are in place."""
    changed = 0
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory, open(path, "rb") as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            fields = line.split(None, 5)
            if fields[1][2] != "x" or fields[-1] != path:
                continue
            start, end = (int(part, 16) for part in fields[0].split("-"))
            file.seek(int(fields[2], 16))
            memory.seek(start)
            wanted = file.read(end - start)
            have = memory.read(len(wanted))
            changed += sum(a != b for a, b in zip(have, wanted)) if have != wanted else 0
    return changed


def wait_until_clean(pid, path):
    """
    Until no probe is left: the kernel takes them out when the last link to them is gone. Another tool that probes the
    file in all processes (memwatch -f) is waited for: with its probes the figures would not be ours.
    """
    deadline = time.monotonic() + 60
    while changed_bytes(pid, path):
        if time.monotonic() > deadline:
            raise Broken(f"probes stay in {path}: another tool's?")
        time.sleep(0.01)


def run_seconds(pid):
    """The time that the main thread has had a CPU, to the nanosecond (sched/core: /proc/PID/schedstat)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def rss_bytes(pid, field="VmRSS"):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise Broken(f"process {pid} has no {field}")


def median(values):
    return statistics.median(values)


def table(title, header, rows):
    """Columns as wide as their widest cell; the first one to the left, the others to the right."""
    cells = [header] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    print(f"\n{title}")
    for row in cells:
        first, *others = (cell.ljust(width) if column == 0 else cell.rjust(width)
                          for column, (cell, width) in enumerate(zip(row, widths)))
        print("  " + "  ".join([first, *others]).rstrip())


def verdict(what, value, limit, unit=""):
    """One line for a target. A missed one is said, and is no failure: timings depend on the machine."""
    word = "PASS" if value <= limit else "FAIL"
    print(f"  {word}  {what}: {value:.3g}{unit}, at most {limit:g}{unit}")
