# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What memwatch finds of a process's Python (python_state.c), what the process says, and what gdb sees of it."""
import json
import os
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PARTS = ("base/*.c", "target/image*.c", "target/maps.c", "unwind/*.c",
         "python/offsets.c", "python/python_find*.c", "python/python_verify.c", "python/thread_state.c",
         "python/remote.c", "python/text.c", "python/lines.c")


def build_program(folder):
    sources = sorted(path for part in PARTS for path in (ROOT / "user").glob(part))
    program = folder / "python_state"
    subprocess.run([os.environ.get("CC", "gcc"), "-D_GNU_SOURCE", "-std=gnu11", "-fno-strict-aliasing", "-O2", "-g",
                    *os.environ.get("MEMWATCH_TEST_CFLAGS", "").split(), f"-I{ROOT}/user", f"-I{ROOT}/include",
                    *map(str, sources), str(HERE / "python_state.c"), "-o", str(program), "-ldw", "-lelf", "-lZydis",
                    "-llzma", "-lz"], check=True)
    return program


class Target:
    """state_target.py under one interpreter."""

    def __init__(self, command, what, **options):
        source = (HERE / "state_target.py").read_text()
        self.process = subprocess.Popen([*command, "-c", source, what], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, **options)
        self.about = json.loads(self.process.stdout.readline())
        self.pid = self.about["pid"]
        self.frames = {ident: [tuple(frame) for frame in frames] for ident, frames in self.about["frames"]}

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Thread:
    def __init__(self, ident, native, state, by_key):
        self.ident, self.native = int(ident), int(native)
        self.state, self.by_key = state, by_key  # addresses of PyThreadState: its own, what its thread's key says
        self.frames, self.entries, self.broken = [], 0, None


class Found:
    """What the program printed."""

    def __init__(self, program, pid):
        done = subprocess.run([str(program), str(pid)], stdout=subprocess.PIPE, text=True)
        self.fields, self.eval, self.error = {}, [], None
        self.states = []  # all threads; of those with the same ident, self.threads has one
        thread = None
        for line in done.stdout.splitlines():
            word, *rest = line.split("\t")
            if word == "thread":
                thread = Thread(*rest)
                self.states.append(thread)
            elif word == "frame":
                thread.frames.append((rest[0], rest[1], int(rest[2])))
                thread.entries += int(rest[3])
            elif word == "broken":
                thread.broken = rest[0]
            elif word == "eval":
                self.eval.append((int(rest[0], 16), int(rest[1], 16)))
            elif word == "error":
                self.error = (int(rest[0]), rest[1])
            else:
                self.fields[word] = rest
        self.threads = {thread.ident: thread for thread in reversed(self.states)}
        # A crash, or what a sanitizer finds, is neither of the two.
        assert done.returncode == (1 if self.error else 0), done

    def evaluates(self, address):
        """Whether the code at @address of the process is the evaluation function's."""
        vaddr = address - int(self.fields["bias"][0], 16)
        return any(start <= vaddr < end for start, end in self.eval)


GDB_STACKS = r"""
import gdb
for thread in gdb.selected_inferior().threads():
    thread.switch()
    frame, pcs = gdb.newest_frame(), []
    while frame is not None:
        if frame.type() != gdb.INLINE_FRAME:
            # A caller's pc is behind its call, which may be the function's last instruction.
            pcs.append(frame.pc() - bool(pcs))
        frame = frame.older()
    print("STACK", int(gdb.parse_and_eval("$fs_base")) & (1 << 64) - 1, *pcs)
"""


def native_stacks(pid):
    """fs base → the addresses of the native frames, by gdb."""
    done = subprocess.run(["gdb", "-nx", "-batch", "-iex", "set auto-load no", "-iex", "set debuginfod enabled off",
                           "-iex", f"set sysroot /proc/{pid}/root", "-iex", "set backtrace limit 100000", "-p", str(pid), f"/proc/{pid}/exe",
                           "-ex", f"python exec({GDB_STACKS!r})"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    stacks = {}
    for line in done.stdout.splitlines():
        if line.startswith("STACK "):
            base, *pcs = map(int, line.split()[1:])
            stacks[base] = pcs
    assert stacks, done.stderr
    return stacks
