# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a frame costs: malloc+free under stacks of several depths, by unwind tables and by frame pointers."""

import contextlib
import json
import os

from common import BENCH, MEMWATCH, Broken, Child, mapped_file, median, table, verdict, wait_until_clean, watch

ROUNDS = 7
DEPTHS = (5, 20, 60)
PATHS = {"one stack": 1, "64 stacks by turns": 64}
KEPT_BYTES = 7777
# Of the program with unwind tables, and of the one with frame pointers; pairs enough for some 50 to 100 ms each.
TABLES = {"bare": 1_000_000, "floor": 20_000, "memwatch": 10_000}
POINTERS = {"floor": 20_000, "pointers": 15_000, "kernel": 15_000}
FRAME_LIMIT, EXACT_LIMIT, EXACT_DEPTH = 120, 2.5, 20


def reported_depth(target):
    """How many frames memwatch sees where a block was kept."""
    watcher = Child(MEMWATCH, "--json", "--top", "0", "-g", "traceback", "--frames", "0", "--no-skip", "-p", target.pid,
                    "300ms")
    try:
        watcher.line()
        target.ask(f"{EXACT_DEPTH} 0 1")
        for _ in range(5):
            for stat in json.loads(watcher.line())["stats"]:
                if stat["size"] == KEPT_BYTES:
                    return len(stat["traceback"])
        raise Broken("memwatch did not see the block")
    finally:
        watcher.end()


@contextlib.contextmanager
def probed(how, target, libc):
    if how == "bare":
        yield None
        return
    child = watch(target.pid) if how == "memwatch" else Child(BENCH / "rivals", how, target.pid, libc)
    try:
        if how != "memwatch":
            child.line()
        yield child
    finally:
        child.end()
        wait_until_clean(target.pid, libc)


def walked(how, prober):
    """The frames that a rival's walks had on average."""
    if how not in ("pointers", "kernel"):
        return None
    walks, frames = (int(word) for word in prober.ask("").split())
    if not walks:
        raise Broken(f"{how}: no stack was walked")
    return frames / walks


def measure(target, libc, how, pairs):
    """(paths, depth) → CPU time of a pair."""
    result, frames = {}, {}
    with probed(how, target, libc) as prober:
        for name, paths in PATHS.items():
            for depth in DEPTHS:
                target.ask(f"{depth} {max(pairs // 10, PATHS[name])} {paths}")  # warms up
                result[name, depth] = float(target.ask(f"{depth} {pairs} {paths}"))
                frames[depth] = walked(how, prober)
    if how in ("pointers", "kernel") and any(round(frames[d] - frames[DEPTHS[0]]) != d - DEPTHS[0] for d in DEPTHS):
        raise Broken(f"{how}: the walks had {frames} frames")
    return result


def start(program):
    target = Child(BENCH / program, cpu=max(os.sched_getaffinity(0)))
    target.line()
    return target, mapped_file(target.pid, "libc.so")


def all_rounds():
    """(program, how) → one result a round."""
    results = {}
    targets = {}
    try:
        for program, ways in (("unwind-tables", TABLES), ("unwind-pointers", POINTERS)):
            targets[program] = start(program), ways
        tables, libc = targets["unwind-tables"][0]
        depth = reported_depth(tables)
        if depth != EXACT_DEPTH:
            raise Broken(f"a stack of {EXACT_DEPTH} frames has {depth} in memwatch's report")
        wait_until_clean(tables.pid, libc)
        for _ in range(ROUNDS):
            for program, ((target, libc), ways) in targets.items():
                for how, pairs in ways.items():
                    results.setdefault((program, how), []).append(measure(target, libc, how, pairs))
    finally:
        for (target, _), _ in targets.values():
            target.end()
    return results


def slope(mine, floor, paths, shallow, deep):
    """Nanoseconds a frame, without what depth costs the program and the kernel's floor."""
    return (mine[paths, deep] - floor[paths, deep] - mine[paths, shallow] + floor[paths, shallow]) / (deep - shallow)


def best(rounds):
    return {key: min(result[key] for result in rounds) for key in rounds[0]}


def over_floor(results, paths, depth):
    """What memwatch adds to a pair by what the floor adds."""
    bare, floor, mine = (results["unwind-tables", how] for how in TABLES)
    return median([(m[paths, depth] - b[paths, depth]) / (f[paths, depth] - b[paths, depth])
                   for b, f, m in zip(bare, floor, mine)])


def print_costs(results):
    rows = []
    for (program, how), rounds in results.items():
        for paths in PATHS:
            rows.append([f"{program.removeprefix('unwind-')}: {how}, {paths}",
                         *(f"{median([r[paths, depth] for r in rounds]):.0f}" for depth in DEPTHS)])
    table(f"unwind: malloc(64)+free, ns CPU by the stack's depth, medians of {ROUNDS} rounds",
          ["", *(str(depth) for depth in DEPTHS)], rows)


def print_slopes(results):
    ranges = list(zip(DEPTHS, DEPTHS[1:]))
    rows, ours = [], []
    for program, how in (("unwind-tables", "memwatch"), ("unwind-pointers", "pointers"), ("unwind-pointers", "kernel")):
        mine, floor = results[program, how], results[program, "floor"]
        for paths in PATHS:
            medians = [median([slope(m, f, paths, *range_) for m, f in zip(mine, floor)]) for range_ in ranges]
            bests = [slope(best(mine), best(floor), paths, *range_) for range_ in ranges]
            rows.append([f"{how}, {paths}", *(f"{value:.0f}" for value in medians + bests)])
            ours += medians if how == "memwatch" else []
    names = [f"{shallow} to {deep}" for shallow, deep in ranges]
    table("unwind: ns a frame, above the floor at the same depth: medians, and of the best rounds",
          ["", *names, *(f"best {name}" for name in names)], rows)
    verdict("ns a frame beyond the first, worst of the medians", max(ours), FRAME_LIMIT)


def run_unwind():
    results = all_rounds()
    if results["unwind-tables", "floor"][0]["one stack", 5] < 5 * results["unwind-tables", "bare"][0]["one stack", 5]:
        raise Broken("the floor's probes were not hit")
    print_costs(results)
    print_slopes(results)
    for paths in PATHS:
        verdict(f"memwatch / floor at {EXACT_DEPTH} frames, {paths}", over_floor(results, paths, EXACT_DEPTH),
                EXACT_LIMIT)
