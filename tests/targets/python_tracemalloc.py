# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Does the same again and again, a time for each line of its input: "traced" answers with what tracemalloc knows of
blocks of more than 512 bytes, [[size, [[file, line], ...]], ...], innermost first; any other with "done"."""
import array
import collections
import io
import json
import os
import sys
import threading
import tracemalloc


def numbers(count):
    return [number * 1000 for number in range(count)]


def produce():
    for size in (600, 700):
        yield bytearray(size)
        yield bytes(size)


def grow(kept, count):
    growing = []
    for _ in range(count):
        growing.append(None)
    kept.append(growing)


def deep(depth):
    return deep(depth - 1) if depth else bytes(4000)


def allocate():
    kept = [None] * 1000
    kept.append(bytearray(1000))
    kept.append(bytes(479))  # 512 bytes and its header are one too many
    kept.append(bytes(480))
    kept.append(bytes(5000)); kept.append(bytearray(b"x" * 3000))
    kept.append([0] * 500)
    kept.append(tuple(range(300)))
    kept.append(numbers(1000))
    kept.append({number: None for number in range(700)})
    kept.append(set(range(500)))
    kept.append("x" * 3000)
    kept.append("\u20ac" * 1000)
    kept.append("".join(["abc"] * 1000))
    kept.append(b" ".join([b"abc"] * 1000))
    kept.append(json.loads(json.dumps({"key %d" % number: [number] * 100 for number in range(30)})))
    kept.append(array.array("d", [1.0] * 1000))
    kept.append(collections.deque(range(500)))
    kept.append(io.BytesIO(b"x" * 2000))
    kept.extend(produce())
    kept.extend(map(bytearray, [800, 900]))
    kept.append(sorted(range(1000), key=lambda number: -number))
    grow(kept, 3000)
    kept.append(deep(10))
    kept.append(deep(40))
    thread = threading.Thread(target=lambda: kept.append(bytearray(7000)))
    thread.start()
    thread.join()
    kept[1000].extend(b"y" * 9000)

    class Local(collections.UserDict):
        kept.append(bytes(1500))
    kept.append(Local)
    return kept


def traces():
    """Until 3.6, the innermost frame came first."""
    order = -1 if sys.version_info >= (3, 7) else 1
    return [(trace.size, [(frame.filename, frame.lineno) for frame in trace.traceback][::order])
            for trace in tracemalloc.take_snapshot().traces if trace.size > 512]


def main():
    allocate()
    while True:
        line = os.read(0, 100)  # a file object's buffer would be one of the blocks
        if not line:
            return
        traced = line == b"traced\n"
        if traced:
            tracemalloc.start(25)
        kept = allocate()
        if traced:
            answer = json.dumps(traces())
            tracemalloc.stop()
            kept = None
        print(answer if traced else "done", flush=True)


main()
