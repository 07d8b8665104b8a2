# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""With maps that are too small, what was recorded and what was lost add up to what happened."""

import pytest

from helpers import MEMWATCH, losses_sum, sites_of_oracle, sites_of_report, target

# Each takes a whole allocation away from the totals.
UNRECORDED = ("live_full", "stacks_full", "no_memory", "missed_return", "stack_collision", "result_unreadable",
              "thread_state")


@pytest.mark.parametrize("option,reason", [(["--max-live", 64], "live_full"), (["--max-stacks", 4], "stacks_full")])
@pytest.mark.parametrize("mode", ["session", "multi", "perf"])
def test_sums(run, oracle, mode, option, reason):
    done = run([*option, "--attach-mode", mode, "-g", "traceback", "--frames", "1"],
               [target("stress"), "-n", 200_000], env=oracle.environment())
    assert done.status == 0, done.stderr
    report = done.at_exit()
    image = oracle.image(pid=report["pid"])
    assert report["losses"][reason]["events"] > 0
    events, size = losses_sum(report, *UNRECORDED)
    assert report["total"]["allocated_count"] + events == image["total"]["allocated_count"]
    assert report["total"]["allocated"] + size == image["total"]["allocated"]
    # Nothing is made up either: no site has more than what happened there.
    truth = sites_of_oracle(image)
    for site, values in sites_of_report(report).items():
        assert values["allocated_count"] <= truth[site]["allocated_count"], site
        assert values["size"] >= 0 and values["count"] >= 0, site


def test_loss_is_explained(start, tmp_path):
    """The text report names the loss and what to do about it."""
    watcher = start(MEMWATCH, "--max-live", "64", "-o", tmp_path / "report", "--", target("stress"), "-n", "20000")
    assert watcher.wait() == 0
    assert "--max-live" in (tmp_path / "report").read_text()
