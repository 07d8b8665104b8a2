# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Stacks through functions whose returns are probed by others: each return address has been replaced by the kernel's.
gdb would see those; so what the stacks are is asked of it in a run without such probes.
"""

import ctypes
import os
import re
import subprocess
from pathlib import Path

import pytest

from unwinding import assert_equal, build, watch

PERF_EVENT_OPEN = 298
PMU = Path("/sys/bus/event_source/devices/uprobe")

# Not recurse(): the kernel keeps 64 returns a thread.
PROBED = ("plain", "with_alloca", "with_array", "realigned", "realigned_twice", "ping", "tail", "through_tail",
          "compare", "callback", "callback_of_search", "on_signal", "on_outer_signal", "in_signal", "in_signal_in_signal",
          "in_rbx", "assembly_rbx", "assembly_aligned", "assembly_pushes", "chain_2", "chain_3", "chain_4", "in_chain",
          "thread_main")


class Attribute(ctypes.Structure):
    """struct perf_event_attr, as far as a uprobe needs it."""

    _fields_ = [("type", ctypes.c_uint32), ("size", ctypes.c_uint32), ("config", ctypes.c_uint64),
                ("period", ctypes.c_uint64), ("sample_type", ctypes.c_uint64), ("read_format", ctypes.c_uint64),
                ("flags", ctypes.c_uint64), ("wakeup", ctypes.c_uint32), ("bp_type", ctypes.c_uint32),
                ("path", ctypes.c_uint64), ("offset", ctypes.c_uint64)]


def probe_return(path, offset):
    """A perf event that counts the returns of the function at @offset of a file, in all processes."""
    name = ctypes.create_string_buffer(str(path).encode())
    returns = 1 << int((PMU / "format" / "retprobe").read_text().split(":")[1])
    attribute = Attribute(type=int((PMU / "type").read_text()), size=ctypes.sizeof(Attribute), config=returns,
                          path=ctypes.addressof(name), offset=offset)
    libc = ctypes.CDLL(None, use_errno=True)
    event = libc.syscall(PERF_EVENT_OPEN, ctypes.byref(attribute), -1, 0, -1, 0)
    assert event >= 0, os.strerror(ctypes.get_errno())
    return event


def function_offsets(path):
    """Name → offset in the file, of an executable whose code is mapped as it lies in the file."""
    symbols = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    return {name: int(value, 16) for value, name in re.findall(r"^([0-9a-f]+) [tT] (\w+)$", symbols, re.M)}


@pytest.mark.parametrize("flags", ["-O0", "-O2"])
def test_return_probes_break_no_stack(tmp_path, flags):
    path = build(tmp_path / "cases", "gcc", flags, "unwind_cases.c", "unwind_assembly.S")
    truth = watch(tmp_path, [path])
    offsets = function_offsets(path)
    events = [probe_return(path, offsets[name]) for name in PROBED]
    try:
        probed = watch(tmp_path, [path])
    finally:
        for event in events:
            os.close(event)
    replaced = [case for case, stack in probed.theirs.items() if stack.places() != truth.theirs[case].places()]
    assert len(replaced) > 10, "the return addresses were not replaced"
    assert not probed.losses
    for case in truth.theirs:
        assert_equal(probed.ours[case], truth.theirs[case], case)
