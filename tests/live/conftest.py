# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Fixtures. Root and the built programs are required: a test that cannot run says so as a failure, not as a skip."""

import os
import signal
import subprocess

import pytest

from helpers import LIBORACLE, MEMWATCH, ORACLE_READ, Child, Finished, Oracle, read_reports

# A shell starts what it runs in the background with SIGINT ignored, and so would the tests' programs be.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header(config):
    return [f"memwatch: {MEMWATCH}", f"kernel: {os.uname().release}"]


@pytest.fixture(scope="session", autouse=True)
def built():
    missing = [str(path) for path in (MEMWATCH, LIBORACLE, ORACLE_READ) if not path.exists()]
    if missing:
        pytest.exit(f"not built: {', '.join(missing)} (make all test-targets)", returncode=1)
    if os.geteuid() != 0:
        pytest.exit("these tests need root", returncode=1)


@pytest.fixture
def start():
    """Starts a child that is ended, if it still runs, when the test is over."""
    children = []

    def start_one(*command, **options):
        child = Child(command, **options)
        children.append(child)
        return child

    yield start_one
    for child in reversed(children):
        child.end()


@pytest.fixture
def oracle(tmp_path):
    books = Oracle(tmp_path)
    yield books
    for path in tmp_path.glob(books.prefix.name + ".*"):
        path.unlink()


@pytest.fixture
def run(tmp_path):
    """Runs `memwatch OPTIONS --json -o FILE -- COMMAND` to its end."""
    number = 0

    def run_one(options, command, env=None, timeout=120, stdin=subprocess.DEVNULL):
        nonlocal number
        number += 1
        output = tmp_path / f"report{number}.json"
        words = [MEMWATCH, "--json", "-o", output, "--top", "0", *options, "--", *command]
        done = subprocess.run([str(word) for word in words], env={**os.environ, **(env or {})}, stdin=stdin,
                              capture_output=True, text=True, timeout=timeout)
        return Finished(done.returncode, done.stdout, done.stderr, read_reports(output))

    return run_one


@pytest.fixture
def attach(start):
    """Starts `memwatch -p PID`, its JSON reports to be read one by one; returns once its probes are in."""

    def attach_to(child, *options, interval="200ms"):
        watcher = start(MEMWATCH, "--json", "--top", "0", *options, "-p", child.pid, interval)
        watcher.first = watcher.report()
        return watcher

    return attach_to
