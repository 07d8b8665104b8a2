# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Of a thousand allocations of Debian's stripped programs, 999 have stacks that reach to where their thread began."""

import collections
import functools
import os
import re
import signal
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from helpers import MEMWATCH, read_reports, until
from test_real_programs import C_SOURCE, PYTHON, SQL

LEAST = 0.999
WHOLE = re.compile(r"^memwatch: (.*) \(pid (\d+)\): (\d+) of (\d+) allocations have whole stacks", re.M)
EARLY = re.compile(r"^memwatch: .* \(pid (\d+)\): (\d+) end early, (\w+)$", re.M)
TRACEBACKS = ["-v", "-g", "traceback", "--frames", "0", "--no-skip"]
# Functions that nobody calls: a program's, the dynamic linker's, a thread's.
START_BYTES = 0x30
STARTS = {"_start", "_dl_start_user", "__clone", "clone", "__clone3", "clone3"}

PYTHON_ENVIRONMENT = {"PYTHONMALLOC": "malloc", "PYTHONDONTWRITEBYTECODE": "1"}
# Works once for each line of its input.
PYTHON_AT_WORK = """
import csv, hashlib, io, json, re, sqlite3, sys, threading
def work():
    text = json.dumps({str(key): [key * 1.5] * 30 for key in range(300)})
    words = re.findall(r"[0-9]+", str(json.loads(text)))
    csv.writer(io.StringIO()).writerows(sorted(words, key=float))
    base = sqlite3.connect(":memory:")
    base.execute("create table word(text)")
    base.executemany("insert into word values(?)", [(hashlib.sha256(word.encode()).hexdigest(),) for word in words])
    print(base.execute("select count(distinct text) from word").fetchone()[0], flush=True)
print("ready", flush=True)
for line in sys.stdin:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""

CPP_SOURCE = """
#include <map>
#include <string>
#include <vector>
template <class T> struct Table {
    std::vector<T> rows; std::map<std::string, T> names; T *last;
    int sum(int n) { int a[4]; for (int i = 0; i <= n; i++) a[i] = i; return a[0] + *last; }
    ~Table() { delete last; }
};
""" + "\n".join(f"int f{n}(int x) {{ Table<int> t; if (x > {n}) return t.sum({n}); return t.rows[x] / (x - {n}); }}"
                for n in range(40)) + "\nint main() { return f1(2); }\n"

NGINX = """
daemon off; pid DIR/nginx.pid; error_log DIR/error.log; worker_processes 1; user root;
events {}
http {
    access_log DIR/access.log; default_type text/plain; gzip on; gzip_types *; gzip_min_length 10;
    client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi;
    uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
    server {
        listen unix:DIR/socket; root DIR/files;
        location /list/ { autoindex on; alias DIR/files/; }
        location /again/ { proxy_pass http://unix:DIR/socket:/; }
        location ~ ^/moved/(.*)$ { rewrite ^ /$1?from=$host redirect; }
    }
}
"""


@functools.cache
def entry_point(path):
    """e_entry: where a stripped program's _start is."""
    with open(path, "rb") as file:
        header = file.read(64)
    return struct.unpack_from("<Q", header, 24)[0] if header[:5] == b"\x7fELF\x02" else None


def is_start(frame):
    if frame["function"]:
        return frame["function"] in STARTS
    entry = frame["module"] and os.path.exists(frame["module"]) and entry_point(frame["module"])
    return bool(entry) and entry < frame["module_offset"] <= entry + START_BYTES


def check(what, stderr, report, least=LEAST):
    """The share is memwatch's own count; that stacks are whole is seen in those that hold memory."""
    counts = [(int(whole), int(every)) for _, pid, whole, every in WHOLE.findall(stderr) if int(pid) == report["pid"]]
    assert len(counts) == 1, stderr
    [(whole, every)] = counts
    early = {reason: int(count) for pid, count, reason in EARLY.findall(stderr) if int(pid) == report["pid"]}
    losses = {key for key, loss in report["losses"].items() if key.startswith("stack_") and loss["events"]}
    tracebacks = [stat["traceback"] for stat in report["stats"]]
    cut = [(stat["traceback"][-1], stat["count"]) for stat in report["stats"] if not is_start(stat["traceback"][-1])]
    print(f"\nwhole stacks: {what}: {whole} of {every}, {100 * whole / every:.4f} %, others: {early or 'none'}; "
          f"{len(tracebacks)} hold memory, {max(map(len, tracebacks))} frames at most")
    assert every >= 1000
    assert whole + sum(early.values()) == every, f"not whole, for no reason or for two: {stderr}"
    assert losses == set(early)
    assert sum(count for _, count in cut) <= every - whole, f"not whole, and not counted: {cut[:10]}"
    assert whole / every >= least, f"{early}: {cut[:10]}"
    return set(early)


def attach_to(start, tmp_path, pid):
    output = tmp_path / "report.json"
    watcher = start(MEMWATCH, "--json", "-o", output, "--top", "0", *TRACEBACKS, "-p", pid, "3600",
                    stderr=subprocess.STDOUT)
    watcher.before = watcher.expect("memwatch: exact:")
    watcher.output = output
    return watcher


def stop_and_check(what, watcher):
    watcher.signal(signal.SIGINT)
    said = "\n".join(watcher.rest())
    assert watcher.wait() == 0, said
    check(what, said, read_reports(watcher.output)[-1])


def test_sqlite(run, tmp_path):
    script = tmp_path / "script.sql"
    script.write_text(SQL)
    with script.open() as stdin:
        done = run(TRACEBACKS, ["/usr/bin/sqlite3", "-batch", ":memory:"], stdin=stdin, timeout=300)
    assert done.stdout.startswith("20000|")
    check("sqlite3", done.stderr, done.at_exit())


def test_hardly_any_room(run, tmp_path):
    """Stacks are cut where there is hardly room for more: no allocation is lost, and each is counted."""
    script = tmp_path / "script.sql"
    script.write_text(SQL)
    with script.open() as stdin:
        done = run(["--max-stacks", 1000, *TRACEBACKS], ["/usr/bin/sqlite3", "-batch", ":memory:"], stdin=stdin,
                   timeout=300)
    assert done.stdout.startswith("20000|")
    early = check("sqlite3, hardly any room", done.stderr, done.at_exit(), least=0.9)
    assert early == {"stack_shortened"}
    assert set(done.at_exit()["losses"]) == early


def test_python_from_its_start(run, tmp_path):
    """Among what it loads is libcrypto, which allocates by the hundred before memwatch has seen it."""
    script = tmp_path / "work.py"
    script.write_text(PYTHON_AT_WORK)
    with (tmp_path / "lines").open("w+") as lines:
        lines.write("\n" * 10)
        lines.seek(0)
        done = run(TRACEBACKS, ["/usr/bin/python3", script], env=PYTHON_ENVIRONMENT, stdin=lines, timeout=300)
    assert done.stdout.split()[0] == "ready" and len(done.stdout.split()) == 11
    check("python3 from its start", done.stderr, done.at_exit())


def test_python_that_imports_everything(run, tmp_path):
    """
    Sixty libraries, each used as soon as it is loaded: stacks through one end early until memwatch has seen it, which
    takes the longer the busier the machine is. And imports within imports: stacks deeper than what is kept. There is
    no other reason, and most stacks are whole.
    """
    script = tmp_path / "imports.py"
    script.write_text(PYTHON)
    done = run(TRACEBACKS, ["/usr/bin/python3", script], env=PYTHON_ENVIRONMENT, timeout=300)
    assert int(done.stdout.split()[-1]) > 150
    early = check("python3 imports everything", done.stderr, done.at_exit(), least=0.95)
    assert early <= {"stack_no_mapping", "stack_truncated"}


def test_python_attached(start, tmp_path):
    script = tmp_path / "work.py"
    script.write_text(PYTHON_AT_WORK)
    child = start("/usr/bin/python3", script, env={**os.environ, **PYTHON_ENVIRONMENT})
    child.expect("ready")
    watcher = attach_to(start, tmp_path, child.pid)
    for _ in range(3):
        child.ask("")
    stop_and_check("python3 attached", watcher)


def test_clang(run, tmp_path):
    source = tmp_path / "file.c"
    source.write_text(C_SOURCE)
    done = run(TRACEBACKS, ["/usr/bin/clang", "-O2", "-c", source, "-o", tmp_path / "file.o"], timeout=300)
    assert (tmp_path / "file.o").exists()
    check("clang", done.stderr, done.at_exit())


def test_cppcheck(run, tmp_path):
    """C++ with exceptions, libraries and deep recursion."""
    source = tmp_path / "file.cpp"
    source.write_text(CPP_SOURCE)
    done = run(TRACEBACKS, ["/usr/bin/cppcheck", "--enable=all", source], timeout=300)
    assert "arrayIndexOutOfBounds" in done.stdout + done.stderr
    check("cppcheck", done.stderr, done.at_exit())


def test_redis(start, tmp_path):
    path = tmp_path / "redis.sock"
    server = start("/usr/bin/redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", tmp_path)
    server.expect("eady to accept connections")
    watcher = attach_to(start, tmp_path, server.pid)
    subprocess.run(["redis-benchmark", "-s", path, "-q", "-n", "5000", "-c", "10", "-r", "1000", "-t",
                    "set,get,incr,lpush,rpop,sadd,hset,zadd,lrange_100"], check=True, capture_output=True, timeout=300)
    subprocess.run(["redis-cli", "-s", path, "eval", "local t = {} for i = 1, 3000 do t[i] = redis.sha1hex(i) end "
                    "return #t", "0"], check=True, capture_output=True, timeout=60)
    stop_and_check("redis-server", watcher)


def request(path, what):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(path))
        connection.sendall(f"GET {what} HTTP/1.1\r\nHost: here\r\nAccept-Encoding: gzip\r\n"
                           "Connection: close\r\n\r\n".encode())
        answer = b""
        while got := connection.recv(65536):
            answer += got
    return int(answer.split(None, 2)[1])


def worker_of(server):
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    [worker] = until(lambda: children.read_text().split()) or [None]
    return int(worker)


@pytest.fixture
def nginx(start, tmp_path):
    """A master that serves tmp_path; its worker ends with it, if it is asked to end."""
    (tmp_path / "files").mkdir()
    for number in range(20):
        (tmp_path / "files" / f"{number}.txt").write_text(f"{number} bottles of beer on the wall\n" * 50 * (number + 1))
    (tmp_path / "nginx.conf").write_text(NGINX.replace("DIR", str(tmp_path)))
    server = start("/usr/sbin/nginx", "-p", tmp_path, "-c", tmp_path / "nginx.conf", stderr=subprocess.STDOUT)
    assert until((tmp_path / "socket").exists), server.rest()
    yield server
    server.signal(signal.SIGTERM)
    server.rest()


def test_nginx(nginx, start, tmp_path):
    watcher = attach_to(start, tmp_path, worker_of(nginx))
    answers = collections.Counter()
    for number in range(100):
        for what in (f"/{number % 20}.txt", "/list/", f"/again/{number % 20}.txt", f"/moved/{number}", "/none"):
            answers[request(tmp_path / "socket", what)] += 1
    assert answers == {200: 300, 302: 100, 404: 100}
    stop_and_check("nginx", watcher)
