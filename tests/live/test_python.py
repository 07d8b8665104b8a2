# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Python's frames in stacks are those that Python itself knows, under every interpreter that is there."""

import collections
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from helpers import MEMWATCH, SOURCES, TARGETS, lost_blocks, read_reports

DEBIAN = "/usr/bin/python3"
PYENV = Path.home() / ".pyenv/versions"
EVALUATION = "_PyEval_EvalFrameDefault"
FRAMES_MAX = 127  # STACK_FRAMES_MAX
TRACEBACKS = ["-g", "traceback", "--frames", "0"]
ENVIRONMENT = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def pythons():
    """What starts an interpreter. MEMWATCH_PYTHONS adds to them, separated by colons; `chroot DIRECTORY python3`."""
    added = [shlex.split(word) for word in os.environ.get("MEMWATCH_PYTHONS", "").split(":") if word.strip()]
    found = [[str(home / "bin/python3")] for home in sorted(PYENV.glob("3.*"))]
    commands = [[DEBIAN], *found, *added]
    return [pytest.param(command, id=re.sub(f"^{PYENV}/|/bin/python3$", "", " ".join(command))) for command in commands]


every_python = pytest.mark.parametrize("python", pythons())
some_pythons = pytest.mark.parametrize("python", [pythons()[at] for at in sorted({0, len(pythons()) // 2,
                                                                                  len(pythons()) - 1})])


@pytest.fixture
def folder(python, tmp_path):
    """One that the interpreter sees by the same name, with what it is to run."""
    place = Path(f"{python[1] if python[0] == 'chroot' else ''}{tmp_path}")
    place.mkdir(parents=True, exist_ok=True)
    for path in (*SOURCES.glob("python_*.py"), TARGETS / "python_native.so"):
        shutil.copy(path, place)
    yield tmp_path
    shutil.rmtree(place)


def command_of(python, folder):
    return [*python, folder / "python_frames.py", folder / "python_native.so", folder]


def python_frames(traceback):
    return tuple((frame["file"], frame["line"], frame["function"]) for frame in traceback if frame["kind"] == "python")


def true_frames(frames):
    return tuple(map(tuple, frames))


def sums(rows):
    """(key, size, count)... → key → (size, count)."""
    sizes, counts = collections.Counter(), collections.Counter()
    for key, size, count in rows:
        sizes[key] += size
        counts[key] += count
    return {key: (size, counts[key]) for key, size in sizes.items()}


def whole_frames(traceback, truth):
    """A stack's Python frames; if it was cut at its outer end, those of the true one that begins with them."""
    frames = python_frames(traceback)
    if len(traceback) < FRAMES_MAX:
        return frames
    whole = [stack for stack in truth if stack[:len(frames)] == frames]
    return whole[0] if len(whole) == 1 else frames


def difference(missing, extra):
    """What is not as it should be, beside what is there of the same size."""
    by_values = collections.defaultdict(list)
    for frames, values in extra.items():
        by_values[values].append(frames)
    text = f"{len(missing)} stacks are not reported, {len(extra)} are not true\n"
    for values, frames in [(values, frames) for frames, values in missing.items()]:
        stacks = [("true", frames), *(("reported", other) for other in by_values.pop(values, []))]
        text += "".join(show(name, values, stack) for name, stack in stacks)
    return text + "".join(show("reported", values, stack) for values, stacks in by_values.items() for stack in stacks)


def show(name, values, stack):
    return f"{name} {values}:\n" + "".join(f"    {file}:{line} {function}\n" for file, line, function in stack)


def of_target(report, held):
    """Its stats for the sizes that the target has used: no other block is of these."""
    sizes = [size for size, _ in held]
    assert len(set(sizes)) == len(sizes)
    return [stat for stat in report["stats"] if stat["count"] and
            min(sizes) <= stat["size"] / stat["count"] <= max(sizes)]


class Watched:
    """What memwatch reports of what the target does by one command, and losses since it was attached."""

    def __init__(self, start, tmp_path, child, *options):
        self.output = tmp_path / "report.json"
        self.watcher = start(MEMWATCH, "--json", "-o", self.output, "--top", "0", *options, "-p", child.pid, "3600",
                             stderr=subprocess.STDOUT)
        self.watcher.expect("memwatch: exact:")

    def report(self):
        self.watcher.signal(signal.SIGINT)
        said = self.watcher.rest()
        assert self.watcher.wait() == 0, said
        [report] = [one for one in read_reports(self.output) if one["stats"]]
        return report


def compare(start, folder, python, command):
    """Asks the target, and holds memwatch's stacks against its; returns the report and the target's stats in it."""
    child = start(*command_of(python, folder), env=ENVIRONMENT)
    assert child.line() == "ready", child.errors()
    watched = Watched(start, folder, child, *TRACEBACKS)
    answer = json.loads(child.ask(command))
    assert answer["failed"] == []
    report = watched.report()
    child.end()
    truth = sums((true_frames(frames), size, 1) for size, frames in answer["held"])
    stats = of_target(report, answer["held"])
    have = sums((whole_frames(stat["traceback"], truth), stat["size"], stat["count"]) for stat in stats)
    missing, extra = ({frames: values for frames, values in one.items() if other.get(frames) != values}
                      for one, other in ((truth, have), (have, truth)))
    return report, stats, missing, extra


@every_python
def test_frames(python, folder, start):
    """Each block has the frames that Python knew when it was allocated, and none of the evaluation function's."""
    report, stats, missing, extra = compare(start, folder, python, "situations")
    assert not missing and not extra, difference(missing, extra)
    assert len(stats) > 200
    assert lost_blocks(report) == {}
    for stat in stats:
        frames = python_frames(stat["traceback"])
        left = [frame for frame in stat["traceback"] if (frame["function"] or "").startswith(EVALUATION)]
        # 3.9 forgets who an exception is thrown by (bpo-29590).
        assert not left or frames[-1][2] in ("cancelled", "delegating", "twice"), stat
    check_order([stat["traceback"] for stat in stats])


@some_pythons
def test_subinterpreter(python, folder, start):
    """Its frames, if not those around it: no pointer leads to these. While it begins it has none."""
    report, stats, missing, extra = compare(start, folder, python, "subinterpreter")
    assert not missing and not extra, difference(missing, extra)
    assert lost_blocks(report).keys() <= {"python_frames"}


@some_pythons
def test_code_that_goes(python, folder, start):
    """A function that is gone a moment later may not be known, but it is not taken for another."""
    report, stats, missing, extra = compare(start, folder, python, "passing")
    print(f"\ncode that goes: {len(missing)} of 300 not known")
    wrong = {frames: values for frames, values in extra.items() if frames[0][0] != "<gone>" and not any(
        values == missing[stack] and all(one == other or one[0] == "<gone>" for one, other in zip(frames, stack))
        for stack in missing)}
    assert not wrong, difference(missing, wrong)


@some_pythons
def test_launched(python, folder, start):
    """By line, what the target has allocated is there. A line has what Python itself allocates in it, too."""
    output = folder / "report.json"
    watcher = start(MEMWATCH, "-v", "--json", "-o", output, "--top", "0", "--", *command_of(python, folder),
                    env=ENVIRONMENT, stderr=subprocess.STDOUT)
    watcher.expect("runs Python")
    watcher.send("situations")
    watcher.close_input()
    told = [line for line in watcher.rest() if line.startswith("{")]
    answer = json.loads(told[-1])
    [report] = [one for one in read_reports(output) if one["title"] == "at exit"]
    assert answer["failed"] == [] and lost_blocks(report) == {}
    have = {(stat["file"], stat["line"]): (stat["size"], stat["count"]) for stat in report["stats"]}
    by_line = sums((tuple(frames[0][:2]), size, 1) for size, frames in answer["held"] if frames)
    for place, (size, count) in by_line.items():
        assert size <= have[place][0] < size + 65536 and count <= have[place][1], (place, size, count, have[place])


def until_named(child, watcher, seen):
    """Has the process that is next allocate until memwatch names its line, in its own books; returns its pid."""
    for _ in range(100):
        pid, *place = json.loads(child.ask("more"))
        now = time.time()
        report = {"pid": 0}
        while report["pid"] != pid or report["time"] - report["elapsed"] < now:
            report = watcher.report()
        for stat in report["stats"]:
            if [stat["file"], stat["line"], stat["function"]] == place and stat["size"] >= 70000:
                assert (pid, *place) not in seen
                seen.add((pid, *place))
                return
    raise AssertionError(f"{pid} {place} is not named: {report['stats'][:3]}")


@pytest.mark.parametrize("python", pythons()[:1])
def test_children(python, folder, start, attach):
    """A forked child, its child, and what that becomes by exec: each has its own books, by Python's lines."""
    child, seen = start(*python, folder / "python_forks.py", env=ENVIRONMENT), set()
    watcher = attach(child, "--follow")
    for _ in range(4):
        until_named(child, watcher, seen)
        child.send("next")
    assert len(seen) == 4 and len({pid for pid, *_ in seen}) == 3
    assert child.wait() == 0


@every_python
def test_tracemalloc(python, folder, start):
    """Python gives blocks of more than 512 bytes to malloc: by stack, these are what tracemalloc counts."""
    child = start(*python, folder / "python_tracemalloc.py", env=ENVIRONMENT)
    truth = json.loads(child.ask("traced"))
    watched = Watched(start, folder, child, *TRACEBACKS)
    assert child.ask("go") == "done"
    report = watched.report()
    script = str(folder / "python_tracemalloc.py")
    theirs = sums((tuple(map(tuple, frames)), size, 1) for size, frames in truth
                  if script in {file for file, _ in frames})
    ours = sums((tuple(frame[:2] for frame in python_frames(stat["traceback"])[:25]), stat["size"], stat["count"])
                for stat in report["stats"])
    wrong = {str(frames): (theirs.get(frames), ours.get(frames)) for frames in theirs.keys() | ours.keys()
             if theirs.get(frames) != ours.get(frames)}
    assert not wrong, json.dumps(wrong, indent=1)
    assert len(theirs) > 20
    assert lost_blocks(report) == {}


def check_order(tracebacks):
    """Where C code calls Python, the frames of both are between each other's."""
    stacks = [traceback for traceback in tracebacks if traceback[0]["kind"] == "native" and
              "compare_in_c" in (python_frames(traceback) or [("", 0, "")])[0][2]]
    assert len(stacks) >= 1
    for stack in stacks:
        kinds = "".join(frame["kind"][0] if "libc.so" not in (frame["module"] or "") else "c" for frame in stack)
        assert re.fullmatch(r"[nc]+pn+c+n+p[pn]*[nc]+", kinds), kinds
