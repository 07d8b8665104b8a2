# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The interpreters that are there, and the two programs that the tests of code objects hold against each other."""
import json
import os
import shlex
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCES = [*(ROOT / "user/python" / f"{name}.c" for name in ("codes", "code", "lines", "remote", "text", "offsets")),
           ROOT / "user/base/error.c", HERE / "code_driver.c"]
WANTED = [(3, minor) for minor in range(6, 15)]


def candidates():
    """Commands that start an interpreter. MEMWATCH_PYTHONS adds to them, separated by colons; a command may be
    `chroot DIRECTORY /usr/bin/python3`."""
    for word in os.environ.get("MEMWATCH_PYTHONS", "").split(":"):
        if word.strip():
            yield shlex.split(word)
    for home in sorted(Path.home().glob(".pyenv/versions/3.*")):
        yield [str(home / "bin/python3")]
    yield ["/usr/bin/python3"]


def ask_version(command):
    ask = "import sys; print(*sys.version_info[:3], sys.implementation.name)"
    try:
        done = subprocess.run([*command, "-c", ask], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return None
    words = done.stdout.split()
    if done.returncode or len(words) != 4 or words[3] != "cpython":
        return None
    return tuple(map(int, words[:3]))


def find_interpreters():
    """[(name, command, version)], and the minor versions of which there is none."""
    found = [(command, ask_version(command)) for command in candidates()]
    there = [("%d.%d.%d" % version, command, version) for command, version in found if version]
    there.sort(key=lambda one: one[2])
    return there, [version for version in WANTED if version not in {one[2][:2] for one in there}]


def build_driver(folder):
    program = folder / "code_driver"
    subprocess.run([os.environ.get("CC", "gcc"), "-D_GNU_SOURCE", "-std=gnu11", "-fno-strict-aliasing", "-O2", "-g",
                    *os.environ.get("MEMWATCH_TEST_CFLAGS", "").split(), f"-I{ROOT}/user", *map(str, SOURCES),
                    "-o", str(program)], check=True)
    return program


class Target:
    """code_target.py under one interpreter."""

    def __init__(self, command, folder):
        source = "".join((HERE / name).read_text() for name in ("code_samples.py", "code_target.py"))
        # Where its root is not ours, it has no such folder: its own /tmp does.
        place = folder if command[0] != "chroot" else "/tmp"
        self.process = subprocess.Popen([*command, "-c", source + "\nmain()\n", str(place)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.about = json.loads(self.process.stdout.readline())

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answers = []
        for line in self.process.stdout:
            answer = json.loads(line)
            if answer == "end":
                return answers
            answers.append(answer)
        raise AssertionError(f"the interpreter ended at '{command}'")

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Driver:
    def __init__(self, program, about):
        self.process = subprocess.Popen([str(program), str(about["pid"]), *map(str, about["version"][:2])],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the driver ended at '{command}'"
        return line.rstrip("\n").split("\t")

    def end(self):
        """Of its own accord: what a sanitizer finds, leaks too, is its exit status."""
        self.process.stdin.close()
        assert self.process.wait() == 0
        self.process.stdout.close()
