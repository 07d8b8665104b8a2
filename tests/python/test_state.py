# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is found of an interpreter from outside is what the interpreter, its file and gdb say."""
import errno
import os
import subprocess

import pytest

from code_support import find_interpreters
from state_support import HERE, Found, Target, build_program, native_stacks

THERE, _ = find_interpreters()
IDS = [one[0] + ("-" + one[1][1].rsplit("/", 1)[-1] if one[1][0] == "chroot" else "") for one in THERE]
KEY_NONE, KEY_GLIBC, KEY_MUSL = range(3)


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return build_program(tmp_path_factory.mktemp("program"))


@pytest.fixture
def start():
    started = []

    def start_one(*arguments, **options):
        started.append(Target(*arguments, **options))
        return started[-1]

    yield start_one
    for target in started:
        target.end()


@pytest.fixture(params=[one[1] for one in THERE], ids=IDS)
def command(request):
    return request.param


def only(wanted):
    """The fixture command, of some interpreters: what a test needs the others do not have."""
    some = [(one[1], name) for one, name in zip(THERE, IDS) if wanted(one)]
    if not some:
        return lambda function: None
    return pytest.mark.parametrize("command", [one for one, _ in some], ids=[name for _, name in some])


def is_ours(one):
    return one[1][0] != "chroot"


def is_library(one):
    ask = "import sysconfig; print(sysconfig.get_config_var('Py_ENABLE_SHARED'))"
    return is_ours(one) and subprocess.run([*one[1], "-c", ask], stdout=subprocess.PIPE, text=True,
                                           check=True).stdout.strip() == "1"


def has_debug_information(one):
    if not is_ours(one):
        return False
    files = subprocess.run(["ldd", os.path.realpath(one[1][0])], stdout=subprocess.PIPE, text=True, check=True).stdout
    image = next((word for word in files.split() if "/libpython" in word), os.path.realpath(one[1][0]))
    return ".debug_info" in subprocess.run(["readelf", "-SW", image], stdout=subprocess.PIPE, text=True,
                                           check=True).stdout


def key_kind(found):
    return int(found.fields["key"][0])


def compare(target, found):
    assert found.error is None
    assert found.fields["version"] == ["%d.%d" % tuple(target.about["version"][:2])]
    assert set(found.threads) == set(target.frames) | {target.about["main"]}
    for ident, frames in target.frames.items():
        thread = found.threads[ident]
        assert thread.broken is None
        assert thread.frames == frames
        native = target.about["native"].get(str(ident))
        assert not thread.native or not native or thread.native == native
    assert key_kind(found) == KEY_GLIBC
    assert all(thread.state == thread.by_key for thread in found.threads.values())


def test_frames(program, command, start):
    """Every thread's frames and their instructions, and how many native frames run them."""
    target = start(command, "kinds")
    assert len(target.frames) == 12 and max(map(len, target.frames.values())) > 300
    found = Found(program, target.pid)
    compare(target, found)
    stacks = native_stacks(target.pid)
    assert set(stacks) == set(found.threads)
    for ident, pcs in stacks.items():
        evaluating = sum(map(found.evaluates, pcs))
        assert evaluating == found.threads[ident].entries, (target.frames.get(ident), list(map(hex, pcs)))
        assert evaluating > 0
    if "3.11" <= found.fields["version"][0][:4] and found.fields["version"][0][2:] not in "3.6 3.7 3.8 3.9":
        assert any(thread.entries < len(thread.frames) for thread in found.threads.values())


def parts_by_symbols(image, least):
    """The parts of more than @least bytes: gcc leaves a few bytes of code that nothing reaches, and that call nothing.
    Whether these are all."""
    said = subprocess.run(["readelf", "-sW", image], stdout=subprocess.PIPE, text=True, check=True).stdout
    parts = set()
    for words in map(str.split, said.splitlines()):
        if len(words) == 8 and words[7].split(".")[0] == "_PyEval_EvalFrameDefault" and int(words[2], 0) > least:
            parts.add((int(words[1], 16), int(words[1], 16) + int(words[2], 0)))
    return parts, ".symtab" in said


def test_symbols(program, command, start):
    """The evaluation function's parts are those of the symbol table, where there is one."""
    found = Found(program, start(command, "idle").pid)
    parts, whole = parts_by_symbols(found.fields["image"][0], 16)
    if whole:
        assert parts == set(found.eval)
    else:
        assert parts <= set(found.eval)


def test_fork(program, command, start):
    """A child has one thread, whose state is its parent's, and those that it starts itself."""
    target = start(command, "fork")
    compare(target, Found(program, target.pid))
    assert len(target.frames) == 1


@only(is_ours)
def test_second_level_keys(program, command, start, tmp_path):
    """A key beyond the first 32, whose values glibc keeps elsewhere."""
    library = tmp_path / "keys.so"
    source = """#include <pthread.h>
    __attribute__((constructor)) static void take(void)
    { pthread_key_t key; for (int i = 0; i < 70; i++) pthread_key_create(&key, 0); }"""
    subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=source, text=True, check=True)
    target = start(command, "kinds", env={**os.environ, "LD_PRELOAD": str(library)})
    found = Found(program, target.pid)
    assert int(found.fields["key"][1]) >= 70
    compare(target, found)


@only(lambda one: one[2] >= (3, 8))  # before, no module makes one
def test_sub_interpreter(program, command, start):
    """Its threads are found, too, each with frames of its own; from 3.12 on a thread's key leads to those it runs."""
    version = next(one[2] for one in THERE if one[1] is command)
    target = start(command, "sub")
    found = Found(program, target.pid)
    assert found.error is None
    modules = [thread for thread in found.states if thread.frames and
               thread.frames[-1][:2] in (("<module>", "<string>"), ("<module>", "<script>"))]
    assert len(modules) == 2
    by_key = {thread.by_key for thread in found.states}
    assert sum(thread.state in by_key for thread in modules) == (2 if version >= (3, 12) else 1)


@only(is_library)
def test_embedded(program, command, start, tmp_path):
    """A program of another name that has the interpreter in it, under a debugger's or an application's hands."""
    ask = ("import sys, sysconfig as s; print(sys.base_prefix, *map(s.get_config_var, ('INCLUDEPY', 'LIBDIR', "
           "'LDVERSION', 'Py_ENABLE_SHARED')))")
    home, include, library, version, shared = subprocess.run([*command, "-c", ask], stdout=subprocess.PIPE, text=True,
                                                       check=True).stdout.split()
    assert shared == "1"
    source, host = HERE / "state_target.py", tmp_path / "host"
    # The same command line as the interpreter has.
    subprocess.run(["gcc", "-x", "c", "-", f"-I{include}", f"-L{library}", f"-Wl,-rpath,{library}", f"-lpython{version}",
                    "-o", host], check=True, text=True, input=f"""#include <Python.h>
    int main(int argc, char **argv) {{
        wchar_t *words[] = {{L"host", L"{source}", L"kinds", 0}};
        (void)argc, (void)argv;
        return Py_Main(3, words); }}""")
    target = Target([str(host)], "ignored", env={**os.environ, "PYTHONHOME": home})
    try:
        compare(target, Found(program, target.pid))
    finally:
        target.end()


@only(has_debug_information)
def test_table(program, command, start):
    """The table is what the generator makes of the interpreter's debug information, where it has any."""
    image = Found(program, start(command, "idle").pid).fields["image"][0]
    sections = subprocess.run(["readelf", "-SW", image], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert ".debug_info" in sections
    done = subprocess.run([HERE.parents[1] / "tools/python-offsets", "--check", image], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr


def test_running(program, command, start):
    """What is read while it changes may be out of date, and is never refused."""
    target = start(command, "churn")
    seen = 0
    for _ in range(30):
        found = Found(program, target.pid)
        assert found.error is None
        assert found.fields["frames_seen"] == ["1"] and key_kind(found) == KEY_GLIBC
        seen += any(frame[0] == "work" for thread in found.threads.values() for frame in thread.frames)
    assert seen > 5


# --- programs that look like an interpreter -----------------------------------------------------------------------

def made_up(tmp_path, *flags, compiler="gcc"):
    made = tmp_path / "made_up_python"
    made.unlink(missing_ok=True)  # another one may be running
    subprocess.run([compiler, "-O1", "-g", "-rdynamic", *flags, str(HERE / "made_up_python.c"), "-o", str(made)],
                   check=True)
    process = subprocess.Popen([str(made)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    return process


@pytest.fixture
def pretend(program, tmp_path):
    started = []

    def pretend_one(*flags, **options):
        started.append(made_up(tmp_path, *flags, **options))
        return Found(program, started[-1].pid)

    yield pretend_one
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@pytest.mark.parametrize("flags, code, text", [
    (["-DHEX=0x030f00f0"], errno.ENOTSUP, "is Python 3.15; those that can be followed are 3.6 to 3.14"),
    (["-DTEXT=\"3.5.10\""], errno.ENOTSUP, "is Python 3.5;"),
    (["-DTEXT=\"today's\""], errno.ENOTSUP, "cannot tell which version"),
    (["-DHEX=0x030e00f0", "-DNO_LOOP"], errno.ENOTSUP, "tail-calling"),
    (["-DHEX=0x030d00f0", "-DNO_LOOP"], errno.EBADMSG, "cannot find the loop"),
    (["-DHEX=0x030d00f0", "-DDEBUG_HEX=0x030d00f0", "-DFREE_THREADED=1"], errno.ENOTSUP, "(3.13t) are not supported"),
    (["-DHEX=0x030d00f0", "-DDEBUG_HEX=0x030e00f0"], errno.EBADMSG, "is of version 3.14"),
    (["-DHEX=0x030d00f0", "-DDEBUG_HEX=0x030d00f0", "-DDEBUG_FILL=0x7f"], errno.EBADMSG, "nonsense"),
    (["-DHEX=0x030d00f0"], errno.EBADMSG, "does not start with _Py_DebugOffsets"),
    (["-DPYPY"], errno.ENOTSUP, "is PyPy"),
    (["-DNO_RUNTIME"], errno.EBADMSG, "no _PyRuntime"),
    (["-DNOT_STARTED"], errno.EAGAIN, "has not started yet"),
    (["-DWRONG_INTERPRETER"], errno.EBADMSG, "a thread does not belong to its interpreter"),
    (["-DENDLESS"], errno.EBADMSG, "has no end"),
    (["-DNO_THREAD"], errno.EAGAIN, "has not started yet"),
    (["-DWRONG_THREAD"], errno.EBADMSG, "what should be its threads are none"),
    (["-DWRONG_FRAME"], errno.EBADMSG, "cannot read Python's state: "),
])
def test_refused(pretend, flags, code, text):
    found = pretend(*flags)
    assert found.error and found.error[0] == code and text in found.error[1], found.error


@pytest.mark.parametrize("strip", [[], ["-s"]], ids=["symbols", "stripped"])
def test_parts(pretend, tmp_path, strip):
    """A cold part is the function's; another function that it jumps to is not."""
    made = tmp_path / "made_up_python"
    found = pretend("-O2")
    parts, _ = parts_by_symbols(made, 0)
    code = subprocess.run(["objdump", "-d", made], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert len(parts) == 2 and any("jmp" in line and "<another>" in line for line in code.splitlines())
    assert set(found.eval) == parts
    if strip:
        assert set(pretend("-O2", *strip).eval) == parts


@pytest.mark.parametrize("compiler, kind", [("gcc", KEY_GLIBC), ("musl-gcc", KEY_MUSL)])
@pytest.mark.parametrize("keys", [0, 1, 31, 32, 33, 100])
def test_keys(pretend, compiler, kind, keys):
    """Which C library it is, and where it keeps a key's value; nothing runs Python code here."""
    found = pretend(f"-DKEYS={keys}", compiler=compiler)
    assert found.error is None
    assert found.fields["frames_seen"] == ["0"]
    assert key_kind(found) == kind and int(found.fields["key"][1]) >= keys
    assert [thread.by_key for thread in found.states] == [thread.state for thread in found.states]
    assert len(found.states) == 1


def test_no_python(program):
    with subprocess.Popen(["sleep", "100"]) as process:
        found = Found(program, process.pid)
        process.kill()
    assert found.error == (errno.ENOENT, f"no Python in process {process.pid}")
