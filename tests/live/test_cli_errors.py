# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Bad input: one clear line, a non-zero exit, nothing lost."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from helpers import MEMWATCH, Child, changed_text, target, until

NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}


def memwatch(*words, timeout=30, **options):
    return subprocess.run([str(word) for word in (MEMWATCH, *words)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout, **options)


def assert_refused(done, *mentioned, status=1):
    assert done.returncode == status, (done.returncode, done.stderr)
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("memwatch: ")
    for text in mentioned:
        assert text.lower() in lines[0].lower(), lines[0]


def assert_usage(done, *mentioned):
    """A usage error: status 2, and the first line says what is wrong with what."""
    assert done.returncode == 2, (done.returncode, done.stderr)
    first = done.stderr.splitlines()[0]
    assert first.startswith("memwatch: ")
    for text in mentioned:
        assert text in first, first
    assert len(done.stderr.splitlines()) <= 3


@pytest.fixture
def ended_pid():
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    return child.pid


def test_no_such_pid(ended_pid):
    assert_refused(memwatch("-p", ended_pid), str(ended_pid))


def test_pid_ends_while_being_attached(start):
    """At many moments: the process lives from 0 to about 200 ms."""
    for step in range(20):
        child = start("/usr/bin/sleep", f"{step * 0.01 + 0.001:.3f}")
        done = memwatch("-q", "-p", child.pid, "100ms")
        assert done.returncode in (0, 1), done.stderr
        if done.returncode:
            assert_refused(done)


def test_zombie(start):
    child = start("/bin/true")
    until(lambda: Path(f"/proc/{child.pid}/stat").read_text().split()[2] == "Z")
    assert_refused(memwatch("-p", child.pid), str(child.pid))


def test_not_root(start):
    child = start(target("requests"), **NOBODY)
    assert_refused(memwatch("-p", child.pid, **NOBODY), "CAP_")
    assert_refused(memwatch("--", "/bin/true", **NOBODY), "CAP_")


def test_kernel_thread():
    kthreadd = Path("/proc/2/comm")
    if not kthreadd.exists() or kthreadd.read_text() != "kthreadd\n":
        pytest.skip("no kernel threads are visible: not in the initial pid namespace")
    assert_refused(memwatch("-p", "2"), "kernel thread")


def test_32_bit_process():
    try:
        child = Child([target("waits32")])
    except OSError as error:
        pytest.skip(f"this kernel runs no 32-bit programs: {error}")
    try:
        child.expect("ready")
        assert_refused(memwatch("-p", child.pid), "32")
    finally:
        child.end()


def test_no_allocator(start):
    child = start(target("no_allocator"))
    assert_refused(memwatch("-p", child.pid), "no_allocator", "malloc")


@pytest.mark.parametrize("pid", ["0", "-1", "x", "12x", "99999999999999999999", "", "1,,2"])
def test_bad_pid(pid):
    done = memwatch("-p", pid)
    assert done.returncode in (1, 2) and done.stderr.startswith("memwatch: ")


@pytest.mark.parametrize("words", [
    ["-g", "colour"],
    ["--attach-mode", "magic"],
    ["--domains", "heap,moon"],
    ["--domains", ""],
    ["--frames", "x"],
    ["--frames", "-1"],
    ["--top", "many"],
    ["--max-live", "0x"],
    ["--max-live", "99999999999999999999999"],
    ["--max-stacks", "-5"],
    ["--min-size", "12Q"],
    ["--older", "5parsecs"],
    ["--fail-on-leak=much"],
    ["--include", ""],
    ["--no-such-option"],
])
def test_bad_option(words):
    # The line names the option, or what is wrong with its value.
    done = memwatch(*words, "--", "/bin/true")
    assert_usage(done)
    named = [words[0].split("=")[0].lstrip("-"), words[-1].split("=")[-1].split(",")[-1], "glob"]
    assert any(text and text in done.stderr for text in named), done.stderr


@pytest.mark.parametrize("interval", [["0"], ["-1"], ["x"], ["5", "0"], ["5", "x"], ["1e99"], ["5", "1", "2"]])
def test_bad_interval(start, interval):
    child = start(target("requests"))
    assert_usage(memwatch("-p", child.pid, *interval))


@pytest.mark.parametrize("words", [[], ["--"], ["-p"], ["no-such-command"]])
def test_usage(words):
    assert memwatch(*words).returncode == 2


def test_both_pid_and_command():
    assert memwatch("-p", os.getpid(), "--", "/bin/true").returncode == 2


def test_command_that_cannot_run(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("not a program")
    for command in ("/no/such/program", "no-such-program-anywhere", tmp_path, plain):
        done = memwatch("--", command)
        assert done.returncode in (1, 126, 127)
        assert len(done.stderr.splitlines()) == 1 and str(command) in done.stderr


def test_output_that_cannot_be_written(tmp_path):
    assert_refused(memwatch("-o", tmp_path / "no" / "such", "--", "/bin/true"), "no/such")
    assert_refused(memwatch("-o", tmp_path, "--", "/bin/true"), str(tmp_path))
    assert_refused(memwatch("-o", "/dev/full", "--", target("leak"), "-r", "5"), "/dev/full")


@pytest.mark.parametrize("damage", ["empty", "short", "header", "sections", "symbols", "text"])
def test_corrupt_elf(tmp_path, damage):
    """Whatever a file holds, `sites` says one line about it or finds what there is."""
    whole = bytearray(Path(target("arena.so")).read_bytes())
    if damage == "empty":
        whole = b""
    elif damage == "short":
        whole = whole[:100]
    elif damage == "header":
        whole[32:64] = b"\xff" * 32
    elif damage == "sections":
        whole[len(whole) - 64 * 20:] = b"\xff" * 64 * 20
    elif damage == "symbols":
        whole[0x200:0x900] = b"\xff" * 0x700
    else:
        whole = b"this is no ELF file\n" * 100
    path = tmp_path / "corrupt.so"
    path.write_bytes(whole)
    done = memwatch("sites", path)
    assert done.returncode in (0, 1), done.stderr
    if done.returncode:
        assert_refused(done, "corrupt.so")


def test_pipe_closed_by_its_reader(start):
    child = start(target("requests"))
    watcher = start(MEMWATCH, "-q", "--json", "-p", child.pid, "100ms")
    watcher.report()
    watcher.process.stdout.close()
    assert watcher.wait(10) in (0, 1, -signal.SIGPIPE, 128 + signal.SIGPIPE)
    assert len(watcher.process.stderr.read().splitlines()) <= 1
    assert until(lambda: changed_text(child.pid) == 0)
    assert child.ask("churn 10") == "ok"


def test_terminal_resized(start, attach):
    child = start(target("requests"))
    watcher = attach(child)
    for _ in range(20):
        watcher.signal(signal.SIGWINCH)
    assert watcher.report()["pid"] == child.pid
    watcher.signal(signal.SIGINT)
    assert watcher.wait(10) == 0


def test_interrupted_twice(start, attach):
    """Whatever the second one meets: the end of the reports, the probes half taken out (see also test_kill.py)."""
    child = start(target("static_requests"))  # no library whose other users a failure would concern
    watcher = attach(child)
    watcher.signal(signal.SIGINT)
    watcher.signal(signal.SIGINT)
    assert watcher.wait(10) in (0, 1, 130, -signal.SIGINT)
    assert until(lambda: changed_text(child.pid) == 0)
    assert child.ask("churn 10") == "ok"


def test_target_ends(start, attach):
    """The last report is printed, and memwatch ends by itself."""
    child = start(target("requests"))
    watcher = attach(child)
    assert child.ask("alloc 1000 9") == "ok"
    child.send("quit")
    child.wait()
    last = watcher.rest()[-1]
    assert '"title":"at exit"' in last
    assert watcher.wait() == 0
