# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the live tests share: children with a line-by-line conversation, memwatch's reports, the oracle's books."""

import collections
import json
import os
import select
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
OUT = REPOSITORY / ".output"
MEMWATCH = Path(os.environ.get("MEMWATCH", OUT / "memwatch")).resolve()
TARGETS = OUT / "tests" / "targets"
SOURCES = REPOSITORY / "tests" / "targets"
LIBORACLE = OUT / "tests" / "oracle" / "liboracle.so"
ORACLE_READ = OUT / "tests" / "oracle" / "oracle_read"

VALUES = ("size", "count", "allocated", "allocated_count", "freed", "freed_count")


def target(name):
    return str(TARGETS / name)


def marked_line(source, mark):
    """The number of the one line in a target's source that ends in the comment @mark."""
    lines = (SOURCES / source).read_text().splitlines()
    found = [number for number, line in enumerate(lines, 1) if line.endswith(f"/* {mark} */")]
    assert len(found) == 1, f"{source}: {mark}: {found}"
    return found[0]


class Child:
    """A child process; what it prints is read line by line, never longer than a time limit."""

    def __init__(self, command, **options):
        options.setdefault("stdin", subprocess.PIPE)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        self.process = subprocess.Popen([str(word) for word in command], **options)
        self.pid = self.process.pid
        self.buffer = b""

    def line(self, timeout=30):
        """The next line, without its end; None at the end of the output."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            ready = select.select([self.process.stdout], [], [], max(left, 0))[0]
            assert ready, f"no line within {timeout} s; so far: {self.buffer!r}"
            got = os.read(self.process.stdout.fileno(), 65536)
            if not got:
                return None
            self.buffer += got
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode()

    def expect(self, text, timeout=30):
        """Reads lines up to one that contains @text; returns those before it."""
        before = []
        while True:
            line = self.line(timeout)
            assert line is not None, f"ended without {text!r}: {before} {self.errors()}"
            if text in line:
                return before
            before.append(line)

    def report(self, timeout=30):
        """The next JSON report."""
        line = self.line(timeout)
        assert line is not None, f"no report: {self.errors()}"
        return json.loads(line)

    def later_report(self):
        """A report of an interval that began after this call: older ones may still be in the pipe."""
        now = time.time()
        while (report := self.report())["time"] - report["elapsed"] < now:
            pass
        return report

    def send(self, text=""):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, text, timeout=60):
        self.send(text)
        return self.line(timeout)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=60):
        return self.process.wait(timeout)

    def close_input(self):
        self.process.stdin.close()

    def errors(self):
        """All of standard error; the process has ended or is about to."""
        self.wait()
        return self.process.stderr.read().decode() if self.process.stderr else ""

    def rest(self, timeout=60):
        """The remaining lines, up to the end of the output."""
        lines = []
        while (line := self.line(timeout)) is not None:
            lines.append(line)
        return lines

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass


class Finished:
    """What became of `memwatch ... -- CMD`: its status, its output, its reports."""

    def __init__(self, status, stdout, stderr, reports):
        self.status = status
        self.stdout = stdout
        self.stderr = stderr
        self.reports = reports

    def at_exit(self, pid=None):
        """The last "at exit" report, or that of @pid."""
        found = [r for r in self.reports if r.get("title") == "at exit" and pid in (None, r["pid"])]
        assert found, f"no report at exit (pid {pid}); stderr: {self.stderr}"
        return found[-1]


class Oracle:
    """The recorder's files: one for each program image that ran under it."""

    def __init__(self, directory):
        self.prefix = directory / "oracle"

    def environment(self):
        return {
            "LD_PRELOAD": str(LIBORACLE),
            "ORACLE_FILE": str(self.prefix),
            "ORACLE_SKIP": MEMWATCH.name,
        }

    def images(self, pid="*"):
        found = []
        for path in sorted(self.prefix.parent.glob(f"{self.prefix.name}.{pid}.*")):
            run = subprocess.run([ORACLE_READ, path], capture_output=True, check=True, timeout=60)
            found.append(json.loads(run.stdout))
        for image in found:
            check_books(image)
        return found

    def image(self, exe=None, pid=None):
        """The one image that matches."""
        match = [i for i in self.images(pid or "*") if exe in (None, os.path.basename(i["exe"]))]
        assert len(match) == 1, [(i["exe"], i["pid"]) for i in match]
        return match[0]


def check_books(image):
    """The oracle's own consistency: without it, it proves nothing."""
    for counter in ("replaced", "blocks_full", "sites_full", "modules_full"):
        assert image[counter] == 0, f"oracle: {counter} = {image[counter]}"
    assert image["blocks"] == {key: image["total"][key] for key in ("size", "count")}
    assert not any(site["module"] == "[uprobes]" for site in image["sites"]), \
        "the oracle saw trampolines for callers: it was probed at the wrong instruction"


def read_reports(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()] if Path(path).exists() else []


def lines_of(module, offsets):
    """Return addresses within a file → "function file:line" of the calls, by binutils; None where it knows none."""
    if not os.path.isfile(module):
        return dict.fromkeys(offsets)
    run = subprocess.run(["addr2line", "-f", "-e", module, *(hex(offset - 1) for offset in offsets)],
                         capture_output=True, text=True, check=True, timeout=120)
    rows = run.stdout.splitlines()
    # The same header reached by two ways ("./elf/../include", "./string/../include") is one file.
    names = (f"{function} {os.path.normpath(place.split(' (')[0])}" for function, place in zip(rows[::2], rows[1::2]))
    return {offset: None if "??" in name or name.endswith(":0") else name for offset, name in zip(offsets, names)}


def sum_by_place(sites):
    """
    ((module, offset), values)... → place → values. A report has one entry for all calls of a line, so the line, where
    there is one, is the place on both sides.
    """
    by_module = collections.defaultdict(set)
    for (module, offset), _ in sites:
        by_module[module].add(offset)
    lines = {module: lines_of(module, sorted(offsets)) for module, offsets in by_module.items()}
    places = collections.defaultdict(collections.Counter)
    for (module, offset), values in sites:
        name = lines[module][offset] or f"{offset:#x}"
        places[f"{os.path.basename(module)}: {name}"].update({value: values[value] for value in VALUES})
    return {place: dict(values) for place, values in places.items()}


def lost_blocks(report):
    """Losses but for stacks that are short: in code that was mapped a moment before they may be."""
    return {key: loss for key, loss in report["losses"].items() if not key.startswith("stack_")}


def sites_of_report(report):
    """Direct caller → values; of a report by traceback."""
    callers = [(stat["traceback"][0], stat) for stat in report["stats"]]
    return sum_by_place([((caller["module"], caller["module_offset"]), stat) for caller, stat in callers])


def sites_of_oracle(image):
    return sum_by_place([((site["module"], site["offset"]), site) for site in image["sites"]])


def assert_same_sites(report, image):
    """
    Every number of every site. A report leaves out sites that hold nothing: what they have allocated and freed is in
    its total alone, and compared as the sum.
    """
    ours, theirs = sites_of_report(report), sites_of_oracle(image)
    holding_nothing = [key for key, values in theirs.items()
                       if key not in ours and not values["size"] and not values["count"]]
    zero = dict.fromkeys(VALUES, 0)
    wrong = {key: {"memwatch": ours.get(key, zero), "oracle": theirs.get(key, zero)}
             for key in sorted(ours.keys() | theirs.keys())
             if key not in holding_nothing and ours.get(key, zero) != theirs.get(key, zero)}
    assert not wrong, f"{len(wrong)} of {len(theirs)} sites differ: " + json.dumps(wrong, indent=1)[:6000]
    for value in VALUES:
        left_out = report["total"][value] - sum(values[value] for values in ours.values())
        assert left_out == sum(theirs[key][value] for key in holding_nothing), value


def assert_same_total(report, image):
    ours = {value: report["total"][value] for value in VALUES}
    assert ours == image["total"]


def by_line(report, source):
    """line → (size, count) of a report by line, for one source file."""
    lines = collections.defaultdict(lambda: [0, 0])
    for stat in report["stats"]:
        if os.path.basename(stat["file"] or "") == source and (stat["size"] or stat["count"]):
            lines[stat["line"]][0] += stat["size"]
            lines[stat["line"]][1] += stat["count"]
    return {line: tuple(values) for line, values in lines.items()}


def expected_lines(text, words=("expect",)):
    """The targets' own accounts: "expect LINE NUMBER..." → line → numbers."""
    rows = [line.split()[1:] for line in text.splitlines() if line.split()[:1] and line.split()[0] in words]
    return {int(row[0]): tuple(int(number) for number in row[1:]) for row in rows}


def losses_sum(report, *reasons):
    """(events, bytes) that were not recorded, for these reasons or all."""
    chosen = [value for key, value in report["losses"].items() if not reasons or key in reasons]
    return sum(v["events"] for v in chosen), sum(v["bytes"] for v in chosen)


def changed_text(pid):
    """Bytes of a process's executable file mappings that differ from the files: breakpoints that are in place."""
    changed = 0
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            fields = line.split(None, 5)
            if fields[1][2] != "x" or len(fields) < 6 or not fields[5].startswith("/"):
                continue
            start, end = (int(part, 16) for part in fields[0].split("-"))
            with open(fields[5], "rb") as file:
                file.seek(int(fields[2], 16))
                wanted = file.read(end - start)
            memory.seek(start)
            have = memory.read(len(wanted))
            changed += sum(a != b for a, b in zip(have, wanted)) if have != wanted else 0
    return changed


def until(condition, timeout=10):
    """Asks again until @condition holds: for what the kernel finishes by itself, with no event to wait for."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            return value
        select.select([], [], [], 0.02)
    return value
