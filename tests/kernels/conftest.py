# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Each kernel is booted once; the tests then judge what its scenarios have left. A missing kernel is a failure."""

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "live"))

from helpers import LIBORACLE, MEMWATCH, ORACLE_READ  # noqa: E402
from machine import BUSYBOX, KERNELS, Machine, build_initramfs  # noqa: E402

EVENTS = int(os.environ.get("MEMWATCH_KERNEL_EVENTS", 20_000))
# series → the attach modes that it has, and those that it has not
MODES = {
    "6.1": (("perf",), ("session", "multi")),
    "6.12": (("multi", "perf"), ("session",)),
}
machines = {}


def pytest_generate_tests(metafunc):
    if "mode" in metafunc.fixturenames:
        pairs = [(series, mode) for series, (modes, _) in MODES.items() for mode in modes]
        metafunc.parametrize("series,mode", pairs, scope="session")
    elif "series" in metafunc.fixturenames:
        metafunc.parametrize("series", MODES, scope="session")


@pytest.fixture(scope="session")
def initramfs():
    missing = [str(path) for path in (MEMWATCH, LIBORACLE, ORACLE_READ, BUSYBOX) if not path.exists()]
    missing += [name for name in ("qemu-system-x86_64", "cpio") if not shutil.which(name)]
    missing += [f"Linux {series}" for series in MODES if not (KERNELS / series / "vmlinuz").exists()]
    if missing:
        pytest.exit(f"missing: {', '.join(missing)} (make check-kernels gets and builds them)", returncode=1)
    image = KERNELS / "initramfs.cpio"
    build_initramfs(KERNELS / "root", image)
    return image


@pytest.fixture
def machine(series, initramfs):
    if series not in machines:
        machines[series] = Machine(series, *MODES[series], EVENTS, initramfs)
        machines[series].run()
    return machines[series]


def pytest_terminal_summary(terminalreporter):
    for series, machine in machines.items():
        boot = machine.boot_seconds()
        terminalreporter.write_line(f"Linux {series}: {boot} s to boot, {machine.seconds:.0f} s in all; console: "
                                    f"{machine.console_path}")
