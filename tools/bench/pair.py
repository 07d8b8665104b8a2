# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""malloc+free in a loop: what a pair costs bare, at the kernel's floor, under memwatch, and the usual way."""

import contextlib
import os

from common import BENCH, Broken, Child, mapped_file, median, table, verdict, wait_until_clean, watch

ROUNDS = 15
# Enough for some 100 ms each.
PAIRS = {"bare": 5_000_000, "floor": 50_000, "memwatch": 30_000, "usual": 8_000}
GROWTH_ROUNDS = 7
HELD, HELD_ROUNDS = 150_000, 5
FLOOR_LIMIT, USUAL_LIMIT, GROWTH_LIMIT = 1.7, 0.25, 1.3


@contextlib.contextmanager
def probed(how, pid, libc, said=None):
    """The target under one of the ways; the probes are gone again behind it."""
    if how == "bare":
        yield
        return
    child = watch(pid) if how == "memwatch" else Child(BENCH / "rivals", how, pid, libc)
    try:
        if how != "memwatch":
            said[how] = child.line()
        yield
    finally:
        child.end()
        wait_until_clean(pid, libc)


def one(target, threads, pairs, held=0):
    target.ask(f"{threads} {max(pairs // 10, 1)} 0")  # warms up: the allocator, the stack's entry
    return [float(figure) for figure in target.ask(f"{threads} {pairs} {held}").split()]


def measure(target, libc, rounds, held):
    said, results = {}, {how: [] for how in PAIRS}
    for _ in range(rounds):
        for how, pairs in PAIRS.items():
            with probed(how, target.pid, libc, said):
                results[how].append(one(target, 1, pairs, held))
    return results, said


def pairs(rounds, held=0):
    target = Child(BENCH / "pair", cpu=max(os.sched_getaffinity(0)))
    try:
        target.line()
        results, said = measure(target, mapped_file(target.pid, "libc.so"), rounds, held)
    finally:
        target.end()
    if ratio(results, "floor", "bare") < 5:
        raise Broken("the floor's probes were not hit")
    return results, said


def ratio(results, how, to):
    """The median over rounds of the ratio within a round, so that a slow minute hits both sides."""
    return median([a[1] / b[1] for a, b in zip(results[how], results[to])])


def best(results, how):
    return min(value[1] for value in results[how])


def print_pairs(title, results):
    rows = []
    for how, values in results.items():
        cpu = [value[1] for value in values]
        rows.append([how, f"{median([v[0] for v in values]):.1f}", f"{median(cpu):.1f}", f"{min(cpu):.1f}",
                     f"{max(cpu):.1f}", f"{ratio(results, how, 'floor'):.2f}",
                     f"{best(results, how) / best(results, 'floor'):.2f}", f"{ratio(results, how, 'usual'):.3f}"])
    table(title, ["", "ns/pair", "ns CPU", "best", "worst", "/ floor", "best / best", "/ usual"], rows)


def run_pair():
    results, said = pairs(ROUNDS)
    print_pairs(f"pair: malloc(64)+free, one thread, medians of {ROUNDS} rounds", results)
    for text in said.values():
        print(f"  {text}")
    verdict("memwatch / floor", ratio(results, "memwatch", "floor"), FLOOR_LIMIT)
    if "single-stepped" in said["usual"]:
        verdict("memwatch / usual", ratio(results, "memwatch", "usual"), USUAL_LIMIT)
    else:
        print("  the usual way single-steps nothing here: no target")
    results, _ = pairs(HELD_ROUNDS, HELD)
    print_pairs(f"pair while {HELD} blocks are held, one of which is freed each time, medians of {HELD_ROUNDS} rounds",
                results)


def growth(results, how, threads):
    return median([many[1] / one_thread[1] for many, one_thread in zip(results[how, threads], results[how, 1])])


def run_threads():
    """Each thread has its own blocks; what grows is what the probes share. CPU time: 4 threads share 2 CPUs."""
    target = Child(BENCH / "pair")
    counts, results = (1, 2, 4), {}
    try:
        target.line()
        libc = mapped_file(target.pid, "libc.so")
        for _ in range(GROWTH_ROUNDS):
            for how in ("bare", "floor", "memwatch"):
                with probed(how, target.pid, libc, {}):
                    for threads in counts:
                        results.setdefault((how, threads), []).append(one(target, threads, PAIRS[how]))
    finally:
        target.end()
    rows = []
    for (how, threads), values in results.items():
        rows.append([how, threads, f"{median([v[0] for v in values]):.1f}", f"{median([v[1] for v in values]):.1f}",
                     f"{100 * growth(results, how, threads) - 100:+.0f} %"])
    table(f"threads: the pair on several threads, medians of {GROWTH_ROUNDS} rounds",
          ["", "threads", "ns/pair", "ns CPU", "CPU growth"], rows)
    verdict("memwatch, 2 threads / 1", growth(results, "memwatch", 2), GROWTH_LIMIT)
