# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Allocates by malloc in many situations under Python 3.6 and later, and says which Python frames there were each time,
as Python itself knows them.

    python_frames.py LIBRARY FOLDER

Waits for "situations", "subinterpreter" or "passing", and answers with a line of JSON,
{"held": [[size, [[file, line, function], ...]], ...], "failed": []}, innermost first. Blocks are never freed."""
import asyncio
import contextlib
import ctypes
import functools
import gc
import importlib
import itertools
import json
import os
import re
import signal
import sys
import threading
import time
import weakref

FIRST = 70001
SIZES = itertools.count(FIRST)
LOCAL = threading.local()
HELD = []
KEPT = {}  # code objects: none goes (equal ones are not the same)
SITUATIONS = []
VERSION = sys.version_info[:2]


def function_of(library, name, *arguments):
    function = getattr(library, name)
    function.restype = ctypes.c_void_p
    function.argtypes = arguments
    return function


malloc = function_of(ctypes.CDLL(None), "malloc", ctypes.c_size_t)  # without the GIL
gil_malloc = function_of(ctypes.PyDLL(None), "malloc", ctypes.c_size_t)
CALLBACK = ctypes.CFUNCTYPE(None)
NATIVE, GIL_NATIVE = ctypes.CDLL(sys.argv[1]), ctypes.PyDLL(sys.argv[1])
native_malloc = function_of(NATIVE, "native_malloc", ctypes.c_size_t)
gil_native_malloc = function_of(GIL_NATIVE, "native_malloc", ctypes.c_size_t)
malloc_when = function_of(NATIVE, "malloc_when", ctypes.c_void_p, ctypes.c_size_t)
malloc_in_thread = function_of(NATIVE, "malloc_in_thread", ctypes.c_size_t, ctypes.c_void_p)


def frames_of(frame, keeps=True):
    found = []
    while frame is not None:
        code = frame.f_code
        if keeps:
            KEPT[id(code)] = code
        found.append((code.co_filename, frame.f_lineno, getattr(code, "co_qualname", code.co_name)))
        frame = frame.f_back
    return found


def size():
    """A size that no other block has."""
    LOCAL.size = next(SIZES)
    return LOCAL.size


def held(address):
    """To be called in the line that allocates."""
    HELD.append((LOCAL.size, frames_of(sys._getframe(1))))
    return address


def held_passing(address):
    HELD.append((LOCAL.size, frames_of(sys._getframe(1), False)))


def held_natively(address):
    HELD.append((LOCAL.size, []))
    return address


def situation(function):
    SITUATIONS.append(function)
    return function


@situation
def plain():
    held(malloc(size()))
    held(gil_malloc(size())); held(malloc(size()))
    held(native_malloc(size()))
    held(gil_native_malloc(size()))


@situation
def multiline():
    value = [held(malloc(size())),

             held(malloc(size()))]
    return value if \
        held(malloc(size())) else None


@situation
def nested():
    captured = 1

    def middle():
        def inner():
            held(malloc(size()))
            return captured
        return inner() + captured
    middle()
    (lambda: held(malloc(size())))()
    (lambda x=held(malloc(size())): (lambda: held(malloc(size())))())()


class Meta(type):
    def __call__(cls, *args, **kwargs):
        held(malloc(size()))
        return super().__call__(*args, **kwargs)

    def __prepare__(name, bases):
        held(malloc(size()))
        return {}


class Descriptor:
    def __get__(self, instance, owner):
        return held(malloc(size()))

    def __set__(self, instance, value):
        held(malloc(size()))

    def __set_name__(self, owner, name):
        held(malloc(size()))


class Whole:
    descriptor = Descriptor()

    def __new__(cls, *args):
        held(malloc(size()))
        return super().__new__(cls)

    def __init__(self, *args):
        held(malloc(size()))

    def method(self):
        return held(malloc(size()))

    @classmethod
    def of_class(cls):
        return held(malloc(size()))

    @staticmethod
    def of_none():
        return held(malloc(size()))

    @property
    def value(self):
        return held(malloc(size()))

    @value.setter
    def value(self, value):
        held(malloc(size()))

    def __getattr__(self, name):
        return held(malloc(size()))

    def __getitem__(self, key):
        if key == 3:
            raise IndexError
        return held(malloc(size()))

    def __len__(self):
        held(malloc(size()))
        return 1

    def __eq__(self, other):
        return bool(held(malloc(size())))

    def __hash__(self):
        held(malloc(size()))
        return 7

    def __call__(self):
        return held(malloc(size()))

    def __add__(self, other):
        return held(malloc(size()))

    def __str__(self):
        held(malloc(size()))
        return ""

    def __iter__(self):
        yield held(malloc(size()))

    def __contains__(self, item):
        return bool(held(malloc(size())))

    def __init_subclass__(cls):
        held(malloc(size()))

    def __del__(self):
        held(malloc(size()))


@situation
def classes():
    class Local:
        held(malloc(size()))

        class Inner:
            held(malloc(size()))

    whole = Whole()
    whole.method()
    whole.of_class()
    Whole.of_none()
    whole.value
    whole.value = 1
    whole.descriptor
    whole.descriptor = 2
    whole.missing
    whole()
    whole + 1
    list(whole)
    len(whole)
    str(whole), "%s" % whole, "{}".format(whole)
    {whole: 1}[Whole()]
    1 in whole
    whole == 2
    [*map(whole.__getitem__, range(3))]
    del whole

    class Made(metaclass=Meta):
        pass
    Made()

    class Sub(Whole):
        def method(self):
            held(malloc(size()))
            return super().method()
    Sub().method()


@situation
def comprehensions():
    [held(malloc(size())) for _ in range(2)]
    {held(malloc(size())) for _ in range(2)}
    {held(malloc(size())): held(malloc(size())) for _ in range(2)}
    list(held(malloc(size())) for _ in range(2))
    [[held(malloc(size())) for _ in range(2)] for _ in range(2)]
    [x for x in range(2) if held(malloc(size()))]
    sum(len([held(malloc(size()))]) for _ in range(2))


def generator(count):
    try:
        for _ in range(count):
            held(malloc(size()))
            yield
            held(malloc(size()))
    finally:
        held(malloc(size()))


def delegating(count):
    held(malloc(size()))
    yield from generator(count)
    held(malloc(size()))
    yield from (held(malloc(size())) for _ in range(1))


@situation
def generators():
    one = generator(9)
    next(one)

    def elsewhere():
        next(one)
        for _ in one:
            held(malloc(size()))
            break
    elsewhere()
    one.send(None)
    one.close()
    two = delegating(2)
    next(two)
    list(two)
    two = delegating(2)
    next(two)
    two.close()
    two = delegating(2)
    next(two)
    del two

    def twice():
        yield from delegating(2)
    two = twice()
    next(two)
    with contextlib.suppress(ValueError):
        sorted([1], key=lambda x: two.throw(ValueError()))
    three = delegating(3)
    next(three)
    with contextlib.suppress(ValueError):
        three.throw(ValueError())
    four = generator(2)
    next(four)
    del four
    list(zip(generator(1), delegating(1)))


async def leaf(count):
    held(malloc(size()))
    if count:
        await leaf(count - 1)
    await asyncio.sleep(0)
    held(malloc(size()))


async def agen():
    for _ in range(2):
        held(malloc(size()))
        yield 1
        await asyncio.sleep(0)


class Context:
    async def __aenter__(self):
        held(malloc(size()))

    async def __aexit__(self, *args):
        held(malloc(size()))


class Awaitable:
    def __await__(self):
        held(malloc(size()))
        yield from leaf(0).__await__()


async def cancelled(count):
    try:
        if count:
            await cancelled(count - 1)
        else:
            await asyncio.sleep(9)
    finally:
        held(malloc(size()))
        await leaf(0)


async def main_coroutine(loop):
    held(malloc(size()))
    await leaf(3)
    await asyncio.gather(leaf(1), leaf(2))
    async for _ in agen():
        held(malloc(size()))
    [held(malloc(size())) async for _ in agen()]
    async with Context():
        held(malloc(size()))
    await Awaitable()
    task = asyncio.ensure_future(cancelled(3))
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    loop.call_soon(lambda: held(malloc(size())))
    await asyncio.sleep(0)
    await loop.run_in_executor(None, lambda: held(malloc(size())))


@situation
def coroutines():
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main_coroutine(loop))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


def in_thread(function, *arguments):
    thread = threading.Thread(target=function, args=arguments)
    thread.start()
    return thread


@situation
def threads():
    """Also with others that want the GIL whenever it is free."""
    barrier, done = threading.Barrier(4), []

    def allocates():
        barrier.wait()
        for _ in range(5):
            held(malloc(size()))
            held(gil_malloc(size()))
            held(native_malloc(size()))

    def spins():
        barrier.wait()
        while not done:
            sum(range(100))
    old = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    others = [in_thread(allocates) for _ in range(2)]
    spinner = in_thread(spins)
    barrier.wait()
    time.sleep(0.01)
    for thread in others:
        thread.join()
    done.append(1)
    spinner.join()
    sys.setswitchinterval(old)


@situation
def thread_without_gil():
    """malloc's caller has given the GIL away, and another thread has it for sure: that one is inside C code that
    keeps it. The truth is noted before."""
    flag, begun = ctypes.c_int(0), threading.Event()

    def elsewhere():
        begun.set()
        size()
        HELD.append((LOCAL.size, frames_of(sys._getframe()))); malloc_when(ctypes.byref(flag), LOCAL.size)

    def release(flag):
        flag.value = 1
        for _ in range(20):
            held(gil_native_malloc(size()))
    thread = in_thread(elsewhere)
    begun.wait()
    time.sleep(0.01)
    release(flag)
    thread.join()


@situation
def threads_of_others():
    held_natively(malloc_in_thread(size(), None))
    callback = CALLBACK(lambda: held(malloc(size())))

    def outer(a_size):
        """The callback in a thread of which Python learns by it; then the block, when it has gone."""
        malloc_in_thread(a_size, ctypes.cast(callback, ctypes.c_void_p))
        HELD.append((a_size, []))
    for _ in range(3):
        outer(size())


def keyed(value):
    held(malloc(size()))
    return value


@situation
def callbacks():
    sorted([3, 1, 2], key=keyed)
    sorted([3, 1, 2], key=lambda x: (held(malloc(size())), x)[1])
    list(map(keyed, [1, 2]))
    list(filter(keyed, [1, 2]))
    functools.reduce(lambda a, b: held(malloc(size())), [1, 2, 3])
    functools.partial(keyed, 1)()
    re.sub("a", lambda match: str(held(malloc(size()))), "aba")
    max([1, 2], key=keyed)
    list(iter(functools.partial(keyed, None), None))
    json.dumps({"a": Context()}, default=lambda x: str(held(malloc(size()))))
    json.loads("{}", object_hook=lambda x: held(malloc(size())))
    functools.lru_cache(maxsize=1)(keyed)(3)
    reference = weakref.ref(Context(), lambda x: held(malloc(size())))
    del reference
    kept = Context()
    reference = weakref.ref(kept, lambda x: held(malloc(size())))
    del kept
    list(map(lambda x: sorted([x], key=keyed), [1, 2]))


@situation
def quicksort():
    compare_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    qsort = function_of(ctypes.CDLL(None), "qsort", ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, compare_type)

    def compare_in_c(one, other):
        held(malloc(size()))
        return one[0] - other[0]
    numbers = (ctypes.c_int * 3)(3, 1, 2)
    qsort(numbers, 3, ctypes.sizeof(ctypes.c_int), compare_type(compare_in_c))
    assert list(numbers) == [1, 2, 3]


@situation
def destructors():
    class Dies:
        def __del__(self):
            held(malloc(size()))
    one = Dies()
    del one
    two = Dies()
    two.itself = two
    del two
    gc.collect()
    [Dies()]
    gc.callbacks.append(lambda phase, info: held(malloc(size())))
    gc.collect()
    gc.callbacks.pop()


def decorator(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        held(malloc(size()))
        return function(*args, **kwargs)
    held(malloc(size()))
    return wrapper


@contextlib.contextmanager
def context():
    held(malloc(size()))
    try:
        yield
    finally:
        held(malloc(size()))


@situation
def constructs():
    @decorator
    @decorator
    def decorated():
        held(malloc(size()))
    decorated()
    with context(), context():
        held(malloc(size()))
    try:
        1 / 0
    except ZeroDivisionError:
        held(malloc(size()))
        try:
            raise KeyError
        except KeyError:
            held(malloc(size()))
        finally:
            held(malloc(size()))
    finally:
        held(malloc(size()))
    while held(malloc(size())):
        held(malloc(size()))
        break
    assert held(malloc(size()))
    for _ in [held(malloc(size()))]:
        pass


@situation
def strings():
    eval("held(malloc(size()))")
    eval("[held(malloc(size())) for _ in range(2)]")
    exec("held(malloc(size()))\ndef f():\n\n  held(malloc(size()))\nf()", globals())
    odd = "/tmp/\u00fcn\u00efc\u00f6de/\u4e2d\u6587 \U0001f40d.py"
    exec(compile("def gr\u00f6\u00dfe():\n  held(malloc(size()))\ngr\u00f6\u00dfe()", odd, "exec"), globals())
    many = "\n" * 70000 + "held(malloc(size()))\n" + "x = 1\n" * 3000 + "held(malloc(size()))\n"
    exec(compile(many, "<many lines>", "exec"), globals())
    exec("x = {}; x[1] = x\n" * 20000 + "held(malloc(size()))", globals())  # an instruction far from the first


@situation
def imports():
    folder = sys.argv[2]
    module = "import sys\nmain = sys.modules['__main__']\n" \
             "main.held(main.malloc(main.size()))\nclass Inside:\n    main.held(main.malloc(main.size()))\n"
    with open(os.path.join(folder, "imported_once.py"), "w") as file:
        file.write(module)
    with open(os.path.join(folder, "imports_again.py"), "w") as file:
        file.write("import imported_once\n" + module)
    sys.path.insert(0, folder)
    importlib.import_module("imports_again")
    importlib.reload(sys.modules["imported_once"])


@situation
def recursion():
    def deep(depth):
        if depth:
            return deep(depth - 1) or 0
        held(malloc(size()))

    def mutual(depth):
        held(malloc(size()))
        return sorted([depth], key=lambda x: mutual(x - 1) if x else 0)
    deep(15)
    deep(40)
    mutual(5)


@situation
def signals():
    old = signal.signal(signal.SIGUSR1, lambda number, frame: held(malloc(size())))
    os.kill(os.getpid(), signal.SIGUSR1)
    time.sleep(0.01)
    signal.signal(signal.SIGUSR1, old)


@situation
def traced():
    def called(x):
        x += 1
        for _ in range(2):
            x += 1
        return [y for y in
                [x]]

    def yields():
        yield called(1)

    def trace(frame, event, argument):
        if threading.current_thread() is threading.main_thread():
            held(malloc(size()))
        return trace

    def profile(frame, event, argument):
        held(malloc(size()))
    sys.settrace(trace)
    called(1)
    list(yields())
    sys.settrace(None)
    sys.setprofile(profile)
    len(str(called(1)))
    sys.setprofile(None)


INTERPRETER = """
import ctypes, json, os, sys
malloc, kept = ctypes.PyDLL(None).malloc, []
def held(number, address):
    found, frame = [], sys._getframe(1)
    while frame is not None:
        kept.append(frame.f_code)
        found.append((frame.f_code.co_filename, frame.f_lineno,
                      getattr(frame.f_code, "co_qualname", frame.f_code.co_name)))
        frame = frame.f_back
    os.write(FD, (json.dumps([number, found]) + "\\n").encode())
def inside():
    held(SIZE, malloc(SIZE))
inside()
sorted([1], key=lambda x: held(SIZE + 1, malloc(SIZE + 1)))
sys.kept = kept
"""


def make_interpreter():
    """(its number, what runs a string in it), or None where this Python has no such thing for ctypes."""
    if VERSION < (3, 8):
        return None
    if VERSION >= (3, 13):
        import _interpreters
        return _interpreters.create("legacy"), _interpreters.run_string
    import _xxsubinterpreters
    return _xxsubinterpreters.create(**({"isolated": False} if VERSION >= (3, 10) else {})), \
        _xxsubinterpreters.run_string


def subinterpreter():
    """Its threads' frames end where it begins, in C code that another interpreter's frames have called."""
    made = make_interpreter()
    if made is None:
        return
    number, run = made
    KEPT[id(number)] = number  # without it, the interpreter would go
    receive, send = os.pipe()
    a_size = next(SIZES)
    assert next(SIZES) == a_size + 1
    run(number, "FD, SIZE = %d, %d\n" % (send, a_size) + INTERPRETER)
    os.close(send)
    with os.fdopen(receive) as answers:
        for line in answers:
            held_size, frames = json.loads(line)
            HELD.append((held_size, frames))
    held(malloc(size()))


def passing():
    """Code that is gone a moment later, and the next may have its place and all that it pointed at."""
    for number in range(300):
        scope = {"held": held_passing, "malloc": malloc, "size": size}
        name = "passing_%03d" % number
        exec("%sdef %s():\n  held(malloc(size()))\n%s()" % ("\n" * number, name, name), scope)
        scope.clear()


ALL = {"situations": SITUATIONS, "subinterpreter": [subinterpreter], "passing": [passing]}


def main():
    print("ready", flush=True)
    for line in sys.stdin:
        failed = []
        HELD.clear()
        for function in ALL[line.strip()]:
            try:
                function()
            except Exception as error:  # said to the test, which fails
                failed.append("%s: %r" % (function.__name__, error))
        print(json.dumps({"held": HELD, "failed": failed}), flush=True)


main()
