# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Runs under the interpreter that is looked at (3.6 and later): makes code objects, keeps them alive, and says what is
true of them, as the interpreter itself knows it. Its source is followed by that of code_samples.py.

Commands on stdin, a line each; answers on stdout, lines of JSON, the last of which is "end"."""
import collections
import ctypes
import dis
import gc
import io
import json
import os
import sys
import threading
import types
import zipfile

VERSION = sys.version_info[:2]
KEEP = []
sys.dont_write_bytecode = True
addr2line = ctypes.pythonapi.PyCode_Addr2Line
addr2line.argtypes = [ctypes.py_object, ctypes.c_int]
addr2line.restype = ctypes.c_int
LIMIT = 4096


def text(string):
    """What is to be made of a str: its UTF-8, in hexadecimal."""
    out = bytearray()
    for char in string[:LIMIT]:
        point = ord(char)
        if 0xdc80 <= point <= 0xdcff:
            out.append(point & 0xff)
        elif point == 0 or 0xd800 <= point <= 0xdfff:
            out += b"\xef\xbf\xbd"
        else:
            out += char.encode("utf-8")
    if len(string) > LIMIT:
        out += "\u2026".encode("utf-8")
    return out.hex()


def runs(lines):
    """LINExCOUNT,… as the driver prints it."""
    out, last, count = [], None, 0
    for line in lines:
        if count and line != last:
            out.append("%dx%d" % (last, count))
            count = 0
        last = line
        count += 1
    out.append("%dx%d" % (last or 0, count))
    return ",".join(out)


def documented_lines(code, size):
    """The same by the documented way: where lines start, or which range of instructions has which line."""
    lines = [None] * (size // 2)
    if hasattr(code, "co_lines"):
        for start, end, line in code.co_lines():
            for at in range(start // 2, min(end, size) // 2):
                lines[at] = -1 if line is None else line
        return lines
    starts = dict(dis.findlinestarts(code))
    line = code.co_firstlineno
    for at in range(size // 2):
        line = starts.get(at * 2, line)
        lines[at] = line
    return lines


def describe(code, documented=True):
    size = len(code.co_code)
    lines = [addr2line(code, at) for at in range(0, size, 2)]
    said = {"address": "%x" % id(code), "file": text(code.co_filename), "name": text(code.co_name),
            "qualified": text(code.co_qualname) if VERSION >= (3, 11) else "-", "first": code.co_firstlineno,
            "size": size, "before": addr2line(code, -1), "lines": runs([max(line, -1) for line in lines])}
    if documented and documented_lines(code, size) != lines:
        said["disagrees"] = repr(code)
    if documented and VERSION >= (3, 11):
        positions = [-1 if at[0] is None else at[0] for at in code.co_positions()]
        if positions != lines:
            said["disagrees"] = repr(code)
    return said


def with_inner(code):
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from with_inner(const)


def say(what):
    sys.stdout.write(json.dumps(what) + "\n")


def show(codes, documented=True):
    for code in codes:
        KEEP.append(code)
        say(describe(code, documented))


def compiled(source, name):
    return list(with_inner(compile(source, name, "exec", dont_inherit=True)))


def replaced(code, **changes):
    """code.replace(), which 3.6 and 3.7 do not have."""
    if hasattr(code, "replace"):
        return code.replace(**changes)
    if "co_linetable" in changes:
        changes["co_lnotab"] = changes.pop("co_linetable")
    names = ["argcount", "kwonlyargcount", "nlocals", "stacksize", "flags", "code", "consts", "names", "varnames",
             "filename", "name", "firstlineno", "lnotab", "freevars", "cellvars"]
    return types.CodeType(*[changes.get("co_" + name, getattr(code, "co_" + name)) for name in names])


def table(code, changed):
    return replaced(code, **{"co_linetable" if VERSION >= (3, 10) else "co_lnotab": changed})


# --- groups of code objects ---------------------------------------------------------------------------------------------

def stdlib(share):
    """Every @share-th module of the standard library, and all of asyncio."""
    top = os.path.dirname(os.__file__)
    for folder, step in ((top, int(share)), (os.path.join(top, "asyncio"), 1)):
        for name in sorted(os.listdir(folder))[::step]:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    show(compiled(file.read(), path))


def loaded():
    """Code as it was imported: from .pyc files, frozen into the interpreter, and run."""
    found = [thing.__code__ for thing in gc.get_objects() if isinstance(thing, types.FunctionType)]
    show(found)


def samples():
    for name, source in sources():  # noqa: F821: of code_samples.py
        show(compiled(source, "<%s>" % name))


def huge():
    for name, source in huge_sources():  # noqa: F821
        show(compiled(source, name))


class Derived(str):
    pass


def names():
    base = compiled("def f():\n  def g(): pass\n  return g\n", "<string>")[1]
    strings = ["", "a", "caf\xe9", "\xff" * 300, "\u540d\u524d", "\U00010437\U00010400", "a\U0001f40d" * 100, "x" * 4095,
               "x" * 4096, "x" * 4097, "\u540d" * 5000, "\U0001f40d" * 4100, "nul\0inside", "bytes\udcff\udc80",
               "\ud800alone\udfff", "tab\tnew\nline", "<frozen importlib._bootstrap>", "/tmp/gone (deleted)",
               Derived("derived"), Derived("caf\xe9"), Derived("\u540d"), Derived("\U0001f40d" * 99), Derived("")]
    for string in strings:
        show([replaced(base, co_name=string), replaced(base, co_filename=string)])
        if VERSION >= (3, 11):
            show([base.replace(co_qualname=string)])


def places():
    """Code that comes from elsewhere than a file that is there."""
    show(compiled("def f(): pass\n", "<string>"))
    folder = sys.argv[1]
    with zipfile.ZipFile(os.path.join(folder, "zipped.zip"), "w") as archive:
        archive.writestr("zipped_module.py", "def inside():\n    return 1\n")
    sys.path.insert(0, os.path.join(folder, "zipped.zip"))
    import zipped_module
    show([zipped_module.inside.__code__])
    os.unlink(os.path.join(folder, "zipped.zip"))
    path = os.path.join(folder, "deleted_module.py")
    with open(path, "w") as file:
        file.write("def vanished():\n    return 1\n")
    sys.path.insert(0, folder)
    import deleted_module
    os.unlink(path)
    show([deleted_module.vanished.__code__])


def tables(seed):
    """Tables that no compiler wrote. Those are left out of which the interpreter reads beyond the end."""
    base = compiled(long_function(300), "<tables>")[1]  # noqa: F821
    for number in range(150):
        made = random_table(VERSION, "%s-%d" % (seed, number))  # noqa: F821
        changed = replaced(table(base, made), co_firstlineno=number * 7919 % 100000)
        show([changed], documented=False)
    show([table(base, b"")], documented=False)
    show([replaced(base, co_firstlineno=line) for line in (0, 1, 2 ** 31 - 1)], documented=False)


def large_table(size):
    code = table(compiled("def f(): pass\n", "<large>")[1], b"\0\0" * (int(size) // 2))
    KEEP.append(code)
    say({"address": "%x" % id(code)})


def strings():
    """Strings that are not those of code objects."""
    made = ["plain", "caf\xe9", "\u540d\u524d", "\U0001f40d", Derived("d"), Derived("\U0001f40d")]
    if VERSION < (3, 12):
        new = ctypes.pythonapi.PyUnicode_FromUnicode
        new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_ssize_t]
        of = ctypes.pythonapi.PyUnicode_AsUnicode
        of.restype, of.argtypes = ctypes.c_void_p, [ctypes.py_object]
        for content in ("old and not ready", "caf\xe9 \u540d \U0001f40d"):
            old = new(None, len(content))
            place = of(old)
            buffer = ctypes.create_unicode_buffer(content)
            ctypes.memmove(place, buffer, len(content) * 4)
            KEEP.append(old)
            # Looking at it with anything else would make it ready.
            say({"address": "%x" % id(old), "text": text(content)})
    for string in made:
        KEEP.append(string)
        say({"address": "%x" % id(string), "text": text(string)})


def others():
    """Objects that are no code objects, and no objects at all."""
    class code:
        pass

    things = [None, 1, "code", b"code", (), [], {}, type, type(others.__code__), others, object(), code, code(), sys,
              ValueError("code")]
    KEEP.extend(things)
    for thing in things:
        say({"address": "%x" % id(thing)})
    inside = id(others.__code__)
    for address in (0, 1, 8, 4096, inside + 4, inside + 8, inside + 16, 2 ** 47 - 8, 2 ** 47, 2 ** 63, 2 ** 64 - 8):
        say({"address": "%x" % address})


# --- code objects that go -----------------------------------------------------------------------------------------------

SINGLE = []


def numbered(number, line=None):
    """A function of which all tells the number."""
    source = "\n" * ((line or number) - 1) + "def churn_%06d(): pass\n" % number
    return compile(source, "<churn %06d>" % number, "exec").co_consts[0]


def single(number):
    """Puts one in the place of the one before: most often also in its memory."""
    SINGLE.clear()
    SINGLE.append(numbered(int(number)))
    say(describe(SINGLE[0]))


def twin(number):
    """The same with all in the same places: only the names tell."""
    SINGLE.clear()
    SINGLE.append(numbered(int(number), 1))
    say(describe(SINGLE[0]))


def drop():
    SINGLE.clear()


def churn():
    """Makes and frees code objects for as long as the process lives; says where most have been."""
    alive, seen = [], collections.Counter()

    def work(rounds):
        number = 0
        while rounds:
            number = number % 1000 + 1
            alive.append(numbered(number))
            seen[id(alive[-1])] += 1
            del alive[:-5]
            rounds -= 1
    work(3000)
    for address, _ in seen.most_common(12):
        say({"address": "%x" % address})
    seen = collections.Counter()
    threading.Thread(target=work, args=(-1,), daemon=True).start()


GROUPS = [stdlib, loaded, samples, huge, names, places, tables, large_table, strings, others, single, twin, drop, churn]


def main():
    sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="ascii", line_buffering=False)
    say({"pid": os.getpid(), "version": list(sys.version_info[:3])})
    sys.stdout.flush()
    for line in sys.stdin:
        words = line.split()
        {group.__name__: group for group in GROUPS}[words[0]](*words[1:])
        say("end")
        sys.stdout.flush()
