# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The oracle itself, without memwatch: against the account that the stress program keeps of its own blocks."""

import collections
import os
import subprocess

import pytest

from helpers import expected_lines, target


def lines_of(addresses, program):
    """Return address → line of the call."""
    run = subprocess.run(["addr2line", "-e", program, *(hex(address - 1) for address in addresses)],
                         capture_output=True, text=True, check=True, timeout=60)
    return [int(line.rsplit(":", 1)[1].split()[0]) for line in run.stdout.splitlines()]


@pytest.mark.parametrize("preload", ["", "libjemalloc.so.2", "libtcmalloc_minimal.so.4"])
def test_stress(oracle, preload):
    program = target("stress")
    env = {**os.environ, **oracle.environment()}
    env["LD_PRELOAD"] += f":{preload}"
    options = ["-P"] if "jemalloc" in preload else []
    run = subprocess.run([program, "-n", "400000", "-e", *options], env=env, capture_output=True, text=True, check=True,
                         timeout=120)
    images = oracle.images()
    parents = {image["parent"] for image in images}
    main = next(image for image in images if image["pid"] in parents)
    sites = [site for site in main["sites"] if site["module"] == program]
    found = collections.defaultdict(lambda: (0, 0))
    for site, line in zip(sites, lines_of([site["offset"] for site in sites], program)):
        found[line] = (found[line][0] + site["size"], found[line][1] + site["count"])
    assert {line: sums for line, sums in found.items() if sums[1]} == expected_lines(run.stdout)
    assert main["unknown_frees"] == 0
    assert main["calls"] > 390000
    children = [image for image in images if image is not main]
    assert len(children) == 8
    for child in children:
        assert child["total"] == {"size": 99, "count": 1, "allocated": 4099, "allocated_count": 3, "freed": 4000,
                                  "freed_count": 2}


def test_fork_tree(oracle):
    run = subprocess.run([target("fork_tree"), "2"], env={**os.environ, **oracle.environment()},
                         capture_output=True, text=True, check=True, timeout=60)
    depths = {int(pid): int(depth) for _, pid, depth in (line.split() for line in run.stdout.splitlines())}
    images = {image["pid"]: image for image in oracle.images()}
    assert len(depths) == 7 and images.keys() == depths.keys()
    for pid, depth in depths.items():
        kept = [site for site in images[pid]["sites"] if site["size"] == 1000 * (depth + 1)]
        assert len(kept) == 1 and kept[0]["count"] == depth + 1
        assert images[pid]["unknown_frees"] == (1 if depth else 0)


def test_exec_keeps_images_apart(oracle):
    subprocess.run([target("exec_chain"), "2"], env={**os.environ, **oracle.environment()}, check=True, timeout=60)
    sizes = sorted(max(site["size"] for site in image["sites"] if site["module"] == target("exec_chain"))
                   for image in oracle.images())
    assert sizes == [500, 1000, 1500]


def test_full_books_are_noticed(oracle):
    env = {**os.environ, **oracle.environment(), "ORACLE_BLOCKS": "1024"}
    subprocess.run([target("stress"), "-n", "20000"], env=env, check=True, timeout=60)
    with pytest.raises(AssertionError, match="blocks_full"):
        oracle.images()
