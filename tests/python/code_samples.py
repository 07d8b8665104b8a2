# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sources, from 3.6 on, that make line tables do what they can, and tables that no compiler makes."""
import random
import sys

EVERYWHERE = '''"""A module's
docstring."""
import os, sys


@staticmethod
@property
def decorated(
        a, b=(1,
              2), *args,
        c: int = 3, **kwargs) -> (
            None):
    """One line."""
    return (lambda x,
            y: (x +
                y))(
                    a,
                    b)


def nested(n):
    def inner():
        nonlocal n
        n = [
            x
            for x in range(
                n)
            if x %
            2
        ]
        return {
            key:
            value
            for key, value
            in zip(n,
                   n)}, {
                       y for y in n}, (
                           z
                           for z in
                           n)
    return inner


class Kind(
        object,
        metaclass=type):
    """Two
    lines."""
    field: int = 1

    def method(self): return super().__repr__()

    class Inner: pass


def tries(n):
    for i in range(n):
        try:
            try:
                if i == 3:
                    continue
                elif i == 4:
                    break
                return i
            finally:
                print(
                    i
                )
        except (ValueError,
                KeyError) as error:
            raise RuntimeError from error
        except Exception:
            pass
        else:
            i = 1
        finally:
            with open("a") as a, \\
                    open("b") as b:
                del a, b
    else:
        return 2
    while True:
        n -= 1
        if n < 0: break
    assert n, (
        "no"
        "n")


async def waits(n):
    async with n as m, n:
        async for x in m:
            await (
                x
            )
        else:
            yield [y async for y in
                   n]


def generator():
    got = yield (
        1)
    yield from (
        got
    )
    if 0:
        never = 1
    if not got: return
    x = got if (
        got) else (
            None)
    return (x <
            got <
            2 and
            got or
            x)


def formats(a):
    return f"{a}" f"""
{a
 !r:>{
     a}}
""" f"{a()}"


def call(f):
    return f(
        f(1,
          *f(2),
          **f(3)),
        f
        .a
        .b(
            4
        )[
            5
        ],
        k=f(
        ))


x = 1; y = 2; del x
global_lambda = lambda: (yield)
if x:
    pass
else:
    y = (x,
         y)
for x in (): pass
'''

SINCE_38 = '''def walrus(a, /, b):
    if (n :=
            a) > (
                m := b):
        return n
    return f"{n=}"
'''

SINCE_310 = '''def matches(value):
    match value:
        case [1,
              2, *rest] if (
                  rest):
            return 1
        case {"a": 1,
              **others}:
            return others
        case str() | bytes(
        ):
            pass
        case Kind(x=1,
                  y=z):
            return z
        case _:
            return None
    with (open("a") as a,
          open("b") as b):
        pass
'''

SINCE_311 = '''def groups():
    try:
        pass
    except* (ValueError,
             KeyError) as group:
        raise
    except* OSError:
        pass
'''

SINCE_312 = '''type Alias[T: (
    int,
    str)] = list[
        T]


def generic[T,
            *Ts,
            **P](a: T) -> (
                T):
    return f"{
        a:{
            a}} {f'{f"{a}"}'}"


class Generic[T](
        list[T]):
    pass
'''


def gaps(count):
    """Lines that go forward, and back, by @count."""
    skip = "\n" * count
    return "def f(a, b):\n  x = 1" + skip + "  y = (a(" + skip + "b," + skip + "b) +" + skip + "a)\n  return [" + skip \
        + "x for x in a(" + skip + "b)" + skip + "]\n@f\n@f(" + skip + ")" + skip + "\ndef g(): pass" + skip + "\nx = 1\n"


def wide(columns):
    blanks = " " * columns
    return "def f(a, b):\n  return (a(" + blanks + "1,\n2, b" + blanks + "(3)),\n" + blanks + "a + b)\n"


UNICODE = '''def caf\u00e9(\u00e9): return lambda: \u00e9
def \u540d\u524d(\u5f15\u6570):
    class \u7c7b:
        def \u65b9\u6cd5(self): return [\u5f15\u6570 for x in self]
def \U00010437\U00010400(): return lambda \U00010428: 1
'''


def long_function(lines, gap=0):
    body = "".join("    x = x + %d if x > y else y\n" % (number % 250) + "\n" * gap for number in range(lines))
    return "def long(x, y):\n    while x:\n" + body.replace("    x", "        x") + "    return x\n"


def sources():
    yield "everywhere", EVERYWHERE
    yield "unicode", UNICODE
    yield "empty", ""
    yield "blank", "\n\n\n"
    yield "comment", "# nothing"
    yield "one", "x"
    for since, source in ((8, SINCE_38), (10, SINCE_310), (11, SINCE_311), (12, SINCE_312)):
        if sys.version_info >= (3, since):
            yield "since-3.%d" % since, source
    for count in (1, 2, 3, 31, 32, 63, 64, 126, 127, 128, 129, 130, 254, 255, 256, 257, 511, 513, 1000, 4095, 4096, 70000):
        yield "gaps-%d" % count, gaps(count)
    for columns in (60, 79, 80, 81, 127, 128, 129, 255, 256, 300, 5000, 70000):
        yield "wide-%d" % columns, wide(columns)
    yield "one-line", "; ".join("x%d = f(%d)" % (number % 50, number) for number in range(2000))
    yield "expression", "x = [" + ", ".join("f(%d)" % number for number in range(1000)) + "]\n"
    yield "operands", "x = (" + " +\n".join("a[%d]" % number for number in range(50)) + ")\n"
    yield "back-and-forth", "def f(a):\n  return a(\n" + "".join(
        "%sa.b(%d,\n\n%s),\n" % ("\n" * (number * 37 % 300), number, "\n" * (number * 53 % 300))
        for number in range(60)) + ")\n"


def huge_sources():
    yield "huge.py", long_function(3300)
    yield "gaps.py", long_function(300, gap=300)
    yield "dictionary.py", "x = {\n" + "".join("  %d: f(%d),\n" % (n, n) for n in range(3500)) + "}\n"
    yield "one long line.py", "def f(x):\n  return x(" + ", ".join("x(%d)" % n for n in range(250)) + ")\n" \
        + "y = '" + "y" * 1000000 + "', f(1)\n"


# --- tables no compiler makes -------------------------------------------------------------------------------------------

def random_location(rng):
    """An entry that makes sense, or bytes that make none."""
    if rng.random() < 0.15:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(1, 8)))

    def varint():
        value = rng.choice([0, 1, rng.randrange(64), rng.randrange(5000), rng.randrange(1 << 24)])
        out = []
        while value >= 64:
            out.append(value & 63 | 64)
            value >>= 6
        return bytes(out + [value])
    kind = rng.randrange(16)
    first = bytes([128 | kind << 3 | rng.randrange(8)])
    if kind == 15:
        return first
    if kind == 14:
        return first + varint() + varint() + varint() + varint()
    if kind == 13:
        return first + varint()
    return first + bytes(rng.randrange(128) for _ in range(1 if kind < 10 else 2))


def random_table(version, seed):
    rng = random.Random(seed)
    if version >= (3, 11):
        made = b""
        for _ in range(rng.randrange(1, 700)):
            more = made + random_location(rng)
            # C does not define what the interpreter makes of a number with more than 32 bits.
            if not any(all(byte & 64 for byte in more[at:at + 6]) for at in range(max(0, len(made) - 6), len(more) - 5)):
                made = more
        return made
    biased = [0, 0, 1, 2, 4, 127, 128, 129, 255]
    pairs = [(rng.choice(biased) if rng.random() < 0.5 else rng.randrange(40),
              rng.choice(biased) if rng.random() < 0.5 else rng.randrange(256)) for _ in range(rng.randrange(1, 500))]
    if version >= (3, 10):
        pairs.append((2, 1))  # 3.10 does not see the end of a table behind an empty range
    # 3.10 asserts nothing of odd lengths of a range, instructions have even ones.
    made = bytes(byte for pair in pairs for byte in (pair[0] & (0xfe if version >= (3, 10) else 0xff), pair[1]))
    return made if version >= (3, 10) or rng.random() < 0.5 else made + b"\x07"
