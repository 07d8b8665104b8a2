# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What Python's own tracemalloc makes of made-up traces, memwatch makes of the same samples, line by line."""
import os
import random
import subprocess
import traceback
import tracemalloc
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = ["app.py", "/srv/app/app.py", "/srv/app/models.py", "/usr/lib/python3/json.py", "a b.c", "b.py", "ab.py",
         "été.py", "x[1].c", "back\\slash.c", ".hidden.py"]
PATTERNS = ["*.py", "/srv/*", "*app*", "?b.py", "[ab]*", "[!a]*", "*\\*", "*[[]1]*", "b.py", "none", "*", "*.c",
            "/srv/app/?odels.py"]
SIZES = [0, 1, 7, 100, 1023, 1024, 10239, 10240, 10241, 102399, 102400, 1 << 20, 10 << 20, (1 << 30) + 7, 1 << 45]

REPEATED = "[Previous line repeated "


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    program = tmp_path_factory.mktemp("driver") / "driver_view"
    sources = [*sorted(ROOT.glob("user/profile/*.c")), *sorted(ROOT.glob("user/report/*.c")),
               ROOT / "user/base/error.c", ROOT / "user/base/units.c", ROOT / "tests/unit/driver_view.c"]
    subprocess.run([os.environ.get("CC", "gcc"), "-D_GNU_SOURCE", "-std=gnu11", "-fno-strict-aliasing", "-O1", "-g",
                    *os.environ.get("MEMWATCH_TEST_CFLAGS", "").split(),
                    f"-I{ROOT}/user", f"-I{ROOT}/include", *map(str, sources), "-lyajl", "-lm", "-o", str(program)],
                   check=True)

    def run(cases):
        done = subprocess.run([str(program)], input="".join(case.text() for case in cases), text=True, check=True,
                              stdout=subprocess.PIPE)
        reports = done.stdout.split("end\n")
        assert reports.pop() == "" and len(reports) == len(cases)
        return [report.splitlines() for report in reports]
    return run


class Case:
    """Samples, each a traceback (most recent call first) with the sizes of its blocks now and at the base."""

    def __init__(self, rng, group, cumulative=False, filters=False, cut=False):
        self.group, self.cumulative = group, cumulative
        self.alike = rng.random() < 0.25  # many equal statistics: their names decide
        files = rng.sample(FILES, rng.randint(1, len(FILES)))
        lines = rng.randint(1, 5)
        self.frames = rng.choice([0, 1, 2, 3, 8]) if group == "traceback" else 0
        self.samples = []
        for _ in range(rng.randint(0, 40)):
            trace = [(rng.choice(files), rng.randint(1, lines)) for _ in range(rng.randint(1, 6))]
            if rng.random() < 0.25:  # recursion
                at = rng.randrange(len(trace))
                trace[at:at] = [trace[at]] * rng.randint(1, 8)
            self.samples.append((tuple(trace), self.blocks(rng), self.blocks(rng)))
        self.include = rng.sample(PATTERNS, rng.randint(0, 2)) if filters else []
        self.exclude = rng.sample(PATTERNS, rng.randint(0, 2)) if filters else []
        self.all_frames = filters and rng.random() < 0.5
        self.top = rng.choice([0, 1, 3, 10]) if cut else 0
        self.min_size = rng.choice([0, 1, 100, 5000]) if cut else 0
        self.recent_first = rng.random() < 0.5

    def blocks(self, rng):
        if self.alike:
            return [8] * rng.randint(0, 1)
        choice = rng.choice([SIZES[:4], SIZES, [8], [rng.randrange(1 << 24)]])
        return [rng.choice(choice) for _ in range(rng.choice([0, 0, 1, 1, 2, 3, 7]))]

    def text(self):
        out = [f"group\t{self.group}"]
        out += ["cumulative"] * self.cumulative + ["all_frames"] * self.all_frames
        out += ["recent_first"] * self.recent_first
        out += [f"frames\t{self.frames}", f"top\t{self.top}", f"min_size\t{self.min_size}"]
        out += [f"include\t{glob}" for glob in self.include] + [f"exclude\t{glob}" for glob in self.exclude]
        for traceback, now, then in self.samples:
            names = "\t".join(f"{file}\t{line}" for file, line in traceback)
            out.append(f"sample\t{sum(now)}\t{len(now)}\t{sum(then)}\t{len(then)}\t{names}")
        return "\n".join(out) + "\nend\n"

    def snapshot(self, which):
        traces = []
        for sample in self.samples:
            traces += [(0, size, sample[0], len(sample[0])) for size in sample[which]]
        filters = [tracemalloc.Filter(True, glob, all_frames=self.all_frames) for glob in self.include]
        filters += [tracemalloc.Filter(False, glob, all_frames=self.all_frames) for glob in self.exclude]
        kept = list(tracemalloc.Snapshot(traces, 6).filter_traces(filters).traces._traces)
        if self.frames:
            kept = [(domain, size, trace[:self.frames], total) for domain, size, trace, total in kept]
        if self.cumulative:  # tracemalloc counts a recursive trace once a frame, memwatch once
            kept = [(domain, size, self.without_recursion(trace), total) for domain, size, trace, total in kept]
        return tracemalloc.Snapshot(kept, 6)

    def without_recursion(self, traceback):
        seen = {}
        for file, line in traceback:
            seen.setdefault(file if self.group == "filename" else (file, line), (file, line))
        return tuple(seen.values())

    def expected(self):
        new, old = self.snapshot(1), self.snapshot(2)
        stats = new.compare_to(old, self.group, self.cumulative)
        shown = [stat for stat in stats if stat.size >= self.min_size or abs(stat.size_diff) >= self.min_size]
        shown = shown[:self.top] if self.top else shown
        lines = []
        for stat in shown:
            text = str(stat)
            if self.group == "traceback":
                # str() names a traceback's outermost frame; a report names the innermost, then lists them all.
                text = str(stat.traceback[-1]) + text[len(str(stat.traceback)):]
            lines.append(text)
            if self.group == "traceback":
                lines += self.formatted(stat.traceback)
        hidden = [stat for stat in stats if stat not in shown]
        if hidden:
            lines.append(f"… and {len(hidden)} more: {self.summed(hidden)}")
        elif not stats:
            lines.append("Nothing outstanding.")
        now = [trace.size for trace in new.traces]
        then = [trace.size for trace in old.traces]
        total = tracemalloc.StatisticDiff("", sum(now), sum(now) - sum(then), len(now), len(now) - len(then))
        lines.append(f"Total: {self.summed([total])}; process ended")
        return lines

    def formatted(self, trace):
        """As tracemalloc formats it, but runs of one line as the traceback module does, of the same Python."""
        plain = trace.format(most_recent_first=self.recent_first)
        frames = reversed(trace) if self.recent_first else trace
        summary = traceback.StackSummary.from_list([(frame.filename, frame.lineno, "f", "") for frame in frames])
        lines = "".join(summary.format()).replace(", in f\n", "\n").splitlines()
        assert any(REPEATED in line for line in lines) or lines == plain
        return lines

    @staticmethod
    def summed(stats):
        total = tracemalloc.StatisticDiff("", sum(s.size for s in stats), sum(s.size_diff for s in stats),
                                          sum(s.count for s in stats), sum(s.count_diff for s in stats))
        return str(total)[2:].split(", average=")[0]


def compare(driver, cases):
    for case, printed in zip(cases, driver(cases)):
        expected = case.expected()
        if case.group == "traceback":
            # tracemalloc does not say that frames are missing; test_text.c looks at that line.
            printed = [line for line in printed if "outer frames" not in line]
        assert printed == expected, case.text()


@pytest.mark.parametrize("group", ["lineno", "filename", "traceback"])
@pytest.mark.parametrize("seed", range(3))
def test_groups(driver, group, seed):
    rng = random.Random(f"{group} {seed}")
    compare(driver, [Case(rng, group) for _ in range(300)])


@pytest.mark.parametrize("group", ["lineno", "filename"])
def test_cumulative(driver, group):
    rng = random.Random(f"cumulative {group}")
    compare(driver, [Case(rng, group, cumulative=True) for _ in range(500)])


@pytest.mark.parametrize("group", ["lineno", "filename", "traceback"])
def test_filters(driver, group):
    rng = random.Random(f"filters {group}")
    compare(driver, [Case(rng, group, filters=True) for _ in range(800)])


@pytest.mark.parametrize("group", ["lineno", "filename", "traceback"])
def test_top_and_min_size(driver, group):
    rng = random.Random(f"cut {group}")
    compare(driver, [Case(rng, group, cut=True, filters=rng.random() < 0.3) for _ in range(500)])


def test_the_cases_have_something_to_say(driver):
    """Guards the oracle itself: ties that names decide, vanished groups and cut reports do occur."""
    rng = random.Random("lineno 0")
    cases = [Case(rng, "lineno") for _ in range(300)]
    keys = [[stat._sort_key()[:4] for stat in case.snapshot(1).compare_to(case.snapshot(2), "lineno")]
            for case in cases]
    assert sum(len(key) != len(set(key)) for key in keys) > 20
    assert sum(any(key[1:4:2] == (0, 0) for key in case) for case in keys) > 20
    repeated = [line for _ in range(300) for line in Case(rng, "traceback").expected() if REPEATED in line]
    assert {"  [Previous line repeated 1 more time]", "  [Previous line repeated 2 more times]"} <= set(repeated)
