# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A fork's child is a process of its own; exec closes the account."""

import subprocess

from helpers import by_line, lost_blocks, marked_line, sites_of_oracle, sites_of_report, target


def depths(stdout):
    return {int(pid): int(depth) for _, pid, depth in (line.split() for line in stdout.splitlines())}


def test_children_are_followed(run):
    done = run(["-f", "-g", "lineno"], [target("fork_tree"), "2"])
    assert done.status == 0, done.stderr
    line = marked_line("fork_tree.c", "kept")
    tree = depths(done.stdout)
    assert len(tree) == 7
    for pid, depth in tree.items():
        report = done.at_exit(pid)
        assert by_line(report, "fork_tree.c")[line] == (1000 * (depth + 1), depth + 1), (pid, depth)
        assert lost_blocks(report) == {}


def test_children_are_left_alone_without_follow(run):
    done = run(["-g", "lineno"], [target("fork_tree"), "2"])
    root = next(pid for pid, depth in depths(done.stdout).items() if depth == 0)
    assert {report["pid"] for report in done.reports} == {root}
    # What the children freed of the root's is the root's still.
    line = marked_line("fork_tree.c", "freed by the children alone")
    assert by_line(done.at_exit(), "fork_tree.c") == {
        marked_line("fork_tree.c", "kept"): (1000, 1), line: (77, 1)}


def test_children_equal_the_oracle(run, oracle):
    done = run(["-f", "-g", "traceback", "--frames", "1"], [target("fork_tree"), "3"], env=oracle.environment())
    images = oracle.images()
    assert len(images) == 15
    for image in images:
        report = done.at_exit(image["pid"])
        ours, theirs = sites_of_report(report), sites_of_oracle(image)
        assert {k: v for k, v in ours.items() if v["allocated_count"]} == theirs


def test_exec_closes_the_account(run):
    done = run(["-g", "lineno"], [target("exec_chain"), "3"])
    assert done.status == 0, done.stderr
    line = marked_line("exec_chain.c", "kept")
    assert by_line(done.at_exit(), "exec_chain.c")[line] == (500, 1)


def test_exec_of_another_program(run):
    done = run(["-g", "lineno"], [target("exec_chain"), "1", target("leak"), "-i", "0", "-r", "10", "-s", "1016"])
    assert done.status == 0, done.stderr
    report = done.at_exit()
    assert by_line(report, "leak.c")[marked_line("leak.c", "the leak")] == (10240, 10)
    assert by_line(report, "exec_chain.c") == {}


def test_exec_while_attached(start, attach):
    """A shell that becomes the program that is watched."""
    shell = start("/bin/sh", "-c", f"read line; exec {target('requests')}", stderr=subprocess.DEVNULL)
    watcher = attach(shell, "-g", "lineno")
    shell.send()
    assert shell.ask("alloc 1000 7") == "ok"
    line = marked_line("requests.c", "kept")
    assert by_line(watcher.later_report(), "requests.c")[line] == (7000, 7)


def test_short_lived_images_are_known(run):
    """Programs that have ended, or are another one, before anybody could read what they had mapped."""
    one = "/bin/sh -c 'exec /bin/sh -c \"exec /usr/bin/as --version\"' >/dev/null"
    done = run(["-f", "-g", "traceback", "--frames", "1", "--no-skip"],
               ["/bin/sh", "-c", f"for i in 1 2 3 4 5; do {one}; for j in 1 2 3 4; do {one} & done; wait; done"])
    assert done.status == 0, done.stderr
    ended = [report for report in done.reports if report["stats"] and report["title"] in ("at exit", "at exec")]
    assert len(ended) >= 3 * 25
    assert {report["comm"] for report in ended} == {"sh", "as"}
    for report in ended:
        callers = [stat["traceback"][0] for stat in report["stats"]]
        assert all(caller["module"] for caller in callers), (report["pid"], report["title"], callers)
