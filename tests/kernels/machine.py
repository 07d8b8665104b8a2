# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A virtual machine that boots a kernel, runs the scenarios of `init` on the built programs, and hands back files."""

import base64
import io
import json
import re
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

from helpers import LIBORACLE, MEMWATCH, ORACLE_READ, OUT, REPOSITORY, TARGETS, Finished

KERNELS = OUT / "kernels"
INIT = Path(__file__).with_name("init")
BUSYBOX = Path("/bin/busybox")
PROGRAMS = ("cpp_new", "exec_chain", "fork_tree", "leak", "requests", "seccomp_target", "stress", "threads_die")
# The machine has no accelerator: it is some twenty times slower than its host.
TIME_LIMIT = 420
# Linux 6.12 died under QEMU 7.2 of a debug trap just after a cmpxchg16b without lock prefix, its flags full of rubbish.
# On a processor without that instruction it uses another.
CPU = "max,cx16=off"
SPLATS = re.compile(r"(BUG:|WARNING:|Oops|general protection|Kernel panic|soft lockup|rcu_sched|Call Trace)")


def shared_objects(program):
    """All that the loader maps, itself included."""
    run = subprocess.run(["ldd", program], capture_output=True, text=True, timeout=60)
    return re.findall(r"(/\S+) \(0x", run.stdout)


def build_initramfs(directory, output):
    """Files have the paths that they have on the host: those are in reports, and the host reads their lines."""
    shutil.rmtree(directory, ignore_errors=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        (directory / "usr" / name).mkdir(parents=True)
        (directory / name).symlink_to(f"usr/{name}")
    for name in ("dev", "proc", "sys"):
        (directory / name).mkdir()
    programs = [MEMWATCH, LIBORACLE, ORACLE_READ, *(TARGETS / name for name in PROGRAMS)]
    files = {BUSYBOX, *programs, *(Path(path) for program in programs for path in shared_objects(program))}
    for path in files:
        to = directory / str(path).lstrip("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    (directory / "bin" / "sh").symlink_to("busybox")
    shutil.copy(INIT, directory / "init")
    (directory / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(directory)) for path in sorted(directory.rglob("*")))
    with output.open("wb") as archive:
        subprocess.run(["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"], input=names.encode(), stdout=archive,
                       cwd=directory, check=True, timeout=120)
    shutil.rmtree(directory)


class Files(dict):
    """What one scenario left: name → bytes."""

    def text(self, name):
        return self[name].decode(errors="replace") if name in self else ""

    def number(self, name):
        return int(self.text(name) or -1)

    def reports(self):
        return [json.loads(line) for line in self.text("report.json").splitlines()]

    def finished(self):
        """The same that a live test's run gives."""
        return Finished(self.number("status"), self.text("stdout"), self.text("stderr"), self.reports())

    def all(self):
        """For people, when a test fails."""
        names = [name for name in sorted(self) if not name.endswith(".json")]
        return "".join(f"\n--- {name}\n{self.text(name)[:4000]}" for name in names)


def parse_results(text):
    results = {}
    for name, body in re.findall(r"^begin (\S+)\r?\n(.*?)^end \1\r?\n", text, re.S | re.M):
        with tarfile.open(fileobj=io.BytesIO(base64.b64decode(body)), mode="r:gz") as archive:
            results[name] = Files({member.name.removeprefix("./"): archive.extractfile(member).read()
                                   for member in archive.getmembers() if member.isfile()})
    return results


class Machine:
    """One boot of one kernel."""

    def __init__(self, series, modes, other_modes, events, initramfs):
        self.series = series
        self.modes = modes
        self.said = ""
        self.console_path = KERNELS / f"{series}.log"
        self.results_path = KERNELS / f"{series}.results"
        settings = {"MEMWATCH": MEMWATCH, "OUT": OUT, "EVENTS": events, "MODES": " ".join(modes),
                    "OTHER_MODES": " ".join(other_modes)}
        words = " ".join(f'{name}="{value}"' for name, value in settings.items())
        self.command = [
            "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", CPU, "-smp", "2", "-m", "1G",
            "-display", "none", "-nodefaults", "-no-reboot",
            "-kernel", KERNELS / series / "vmlinuz", "-initrd", initramfs, "-serial", f"file:{self.console_path}",
            "-serial", f"file:{self.results_path}",
            "-append", f"console=ttyS0 panic=-1 reboot=t mitigations=off {words}"]
        self.results = {}
        self.seconds = 0.0
        self.hung = False

    def run(self):
        """To its end: it turns itself off, or is ended at the time limit."""
        for path in (self.console_path, self.results_path):
            path.unlink(missing_ok=True)
        began = time.monotonic()
        process = subprocess.Popen([str(word) for word in self.command], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=REPOSITORY)
        try:
            said = process.communicate(timeout=TIME_LIMIT)[0]
        except subprocess.TimeoutExpired:
            self.hung = True
            process.kill()
            said = process.communicate()[0]
        self.seconds = time.monotonic() - began
        self.said = said.decode(errors="replace")
        if self.results_path.exists():
            self.results = parse_results(self.results_path.read_text(errors="replace"))

    def console(self):
        return self.console_path.read_text(errors="replace") if self.console_path.exists() else ""

    def boot_seconds(self):
        """By the kernel's own clock, up to the first program."""
        found = re.search(r"\[ *([0-9.]+)\] Run /init", self.console())
        return float(found[1]) if found else None

    def splats(self):
        return [line for line in self.console().splitlines() if SPLATS.search(line)]

    def files(self, name):
        """A scenario's files; without them, the end of the console says why."""
        if name not in self.results:
            end = "\n".join(self.console().splitlines()[-40:])
            raise AssertionError(f"Linux {self.series}: no scenario {name}{' (timed out)' if self.hung else ''}; qemu: "
                                 f"{self.said}\nthe end of {self.console_path}:\n{end}")
        return self.results[name]
