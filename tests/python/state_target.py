# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Waits in as many kinds of frames as there are, each in a thread, and says what the interpreter knows of them."""
import asyncio
import json
import os
import sys
import threading
import time

GATE = threading.Lock()
GATE.acquire()
EXITED = []


def wait(*ignored, **more):
    GATE.acquire()


def nested(depth):
    return nested(depth - 1) if depth else wait()


def from_c():
    return sorted([3], key=lambda number: max(map(wait, [number])))


def generator():
    yield 1
    with Manager():
        yield wait()


def in_generator():
    return list(number for number in generator())


async def inner_coroutine():
    return [wait() for _ in range(1)]


def in_coroutine():
    loop = asyncio.new_event_loop()
    loop.run_until_complete(inner_coroutine())


class Manager:
    def __enter__(self):
        return {one: one for one in (1, 2)}

    def __exit__(self, *why):
        return False


class Made:
    def __init__(self, waits):
        if waits:
            wait(*[1, 2], **{"key": 3})

    def __getattr__(self, name):
        return wait(name)

    def __del__(self):
        if EXITED:
            wait()


def specialized():
    """Runs often enough for the interpreter to rewrite the call."""
    def make(waits):
        return Made(waits)

    for _ in range(2000):
        make(False)
    make(True)


def by_attribute():
    return Made(False).missing


def by_deletion():
    made = Made(False)
    EXITED.append(1)
    del made


def in_handler():
    try:
        raise ValueError("deliberate")
    except ValueError:
        try:
            raise KeyError("too")
        finally:
            wait()


def in_class():
    class Body:
        held = wait()

    return Body


def named_oddly():
    source = "def na\u00efve_\u65e5\u672c(wait):\n    cell = 1\n    def inner():\n        return wait(cell)\n    return inner()\n"
    space = {}
    exec(compile(source, "/no such/\u00fcn\u00efcode \U0001f40d.py", "exec"), space)
    space["na\u00efve_\u65e5\u672c"](wait)


def trampolines():
    """Between the frames of Python code, all kinds of native ones."""
    return eval("list(map(lambda one: [two for two in filter(wait, [one])], (1,)))")


KINDS = (lambda: nested(0), lambda: nested(300), from_c, in_generator, in_coroutine, specialized, by_attribute,
         by_deletion, in_handler, in_class, named_oddly, trampolines)


def snapshot():
    """ident → frames, innermost first, of all threads but the one that asks."""
    frames = {}
    for ident, frame in sys._current_frames().items():
        if ident == threading.get_ident():
            continue
        frames[ident] = []
        while frame:
            frames[ident].append([frame.f_code.co_name, frame.f_code.co_filename, frame.f_lasti])
            frame = frame.f_back
    return frames


def settled():
    while True:
        before = snapshot()
        time.sleep(0.05)
        if before == snapshot():
            return before


def churn(seconds):
    """Threads that come and go, frames that never stand still."""
    def work(depth):
        return sum(work(depth - 1) for _ in range(2)) if depth else len([object() for _ in range(20)])

    end = time.time() + seconds
    while time.time() < end:
        threads = [threading.Thread(target=work, args=(11,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def sub_interpreter():
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    run = getattr(interpreters, "run_string", None) or interpreters.exec
    # The module itself must stay out of it: from 3.12 on it may share nothing.
    threading.Thread(target=run, args=(interpreters.create(), "import time\ntime.sleep(1000)\n"), daemon=True).start()
    time.sleep(0.5)


def say(what):
    print(json.dumps(what), flush=True)


def about():
    frames = settled()
    say({"pid": os.getpid(), "version": sys.version_info[:3], "main": threading.get_ident(),
         "native": {one.ident: getattr(one, "native_id", None) for one in threading.enumerate()},
         "frames": list(frames.items())})


def main():
    what = sys.argv[1]
    if what == "kinds":
        for kind in KINDS:
            threading.Thread(target=kind, daemon=True).start()
        time.sleep(0.3)
    elif what == "fork":
        threading.Thread(target=nested, args=(3,), daemon=True).start()
        settled()
        if os.fork():
            os.wait()
            os._exit(0)
        threading.Thread(target=nested, args=(5,), daemon=True).start()
    elif what == "sub":
        sub_interpreter()
    about()
    if what == "churn":
        threading.Thread(target=churn, args=(1000,), daemon=True).start()
    sys.stdin.readline()
    os._exit(0)


main()
