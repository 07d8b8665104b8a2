# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""memwatch equals the oracle on programs that nobody wrote for it, from their start to their end."""

import os
import subprocess

import pytest

from helpers import MEMWATCH, assert_same_sites, assert_same_total, lost_blocks, read_reports

BY_SITE = ["-g", "traceback", "--frames", "1", "--no-skip"]

SQL = """
create table item(id integer primary key, name text, price real, tags text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
insert into item select i, printf('item %d of %s', i, hex(i * 7919)), i * 1.25, json_array(i % 7, i % 11) from n;
create index by_name on item(name);
select count(*), round(sum(price), 2), count(distinct tags) from item;
select substr(name, 1, 6) as prefix, count(*) from item group by prefix order by 2 desc, 1 limit 5;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 300)
select count(*) from n join item on item.id % n.i = 0 where item.price < 400;
update item set name = upper(name) where id % 3 = 0;
delete from item where id % 5 = 0;
vacuum;
"""

PYTHON = """
import importlib, sys
skip = {"antigravity", "this", "idlelib", "turtledemo", "turtle", "tkinter", "lib2to3", "ensurepip", "__main__"}
done = 0
for name in sorted(sys.stdlib_module_names - skip):
    if name.startswith("_"):
        continue
    try:
        importlib.import_module(name)
        done += 1
    except ImportError:
        pass
print(done)
"""

C_SOURCE = """
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#define REPEAT(n) int f##n(int a, char *s) { for (int i = 0; i < a; i++) s[i] ^= toupper(s[a - i]) + n; \\
	return snprintf(s, a, "%d %s", n, strerror(errno)); }
""" + "\n".join(f"REPEAT({n})" for n in range(200)) + "\nint main(void) { return 0; }\n"


def compare(report, oracle, exe=None):
    image = oracle.image(exe=exe, pid=report["pid"])
    assert image["total"]["allocated_count"] > 100
    assert lost_blocks(report) == {}
    assert_same_total(report, image)
    assert_same_sites(report, image)


def test_sqlite(run, oracle, tmp_path):
    script = tmp_path / "script.sql"
    script.write_text(SQL)
    with script.open() as stdin:
        done = run(BY_SITE, ["/usr/bin/sqlite3", "-batch", ":memory:"], env=oracle.environment(), stdin=stdin,
                   timeout=300)
    assert done.status == 0, done.stderr
    assert done.stdout.startswith("20000|")
    compare(done.at_exit(), oracle)


@pytest.mark.parametrize("allocator", ["pymalloc", "malloc"])
def test_python(run, oracle, tmp_path, allocator):
    script = tmp_path / "imports.py"
    script.write_text(PYTHON)
    # A fixed hash seed and no writing of byte code: two runs do the same.
    env = {**oracle.environment(), "PYTHONMALLOC": allocator, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = run(BY_SITE, ["/usr/bin/python3", script], env=env, timeout=300)
    assert done.status == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 150
    compare(done.at_exit(), oracle)


def test_compiler_proper(run, oracle, tmp_path):
    source = tmp_path / "file.c"
    source.write_text(C_SOURCE)
    cc1, multiarch = (subprocess.run(["gcc", what], capture_output=True, text=True, check=True).stdout.strip()
                      for what in ("-print-prog-name=cc1", "-print-multiarch"))
    command = [cc1, "-quiet", "-O2", "-imultiarch", multiarch, source, "-o", tmp_path / "file.s"]
    done = run(BY_SITE, command, env=oracle.environment(), timeout=300)
    assert done.status == 0, done.stderr
    compare(done.at_exit(), oracle)


def test_gcc_and_its_children(run, oracle, tmp_path):
    source = tmp_path / "file.c"
    source.write_text(C_SOURCE)
    done = run([*BY_SITE, "-f"], ["/usr/bin/gcc", "-O1", source, "-o", tmp_path / "program"],
               env=oracle.environment(), timeout=300)
    assert done.status == 0, done.stderr
    images = oracle.images()
    names = [os.path.basename(image["exe"]) for image in images]
    assert "cc1" in names and "collect2" in names and any(name.endswith("as") for name in names), names
    for image in images:
        # gcc's vfork children run on its memory; none of them allocates.
        assert image["foreign"] == 0
        report = done.at_exit(pid=image["pid"])
        assert lost_blocks(report) == {}
        assert_same_total(report, image)
        assert_same_sites(report, image)


def test_redis(start, oracle, tmp_path):
    socket, output = tmp_path / "redis.sock", tmp_path / "report.json"
    server = start(MEMWATCH, "--json", "-o", output, "--top", "0", *BY_SITE, "--", "/usr/bin/redis-server",
                   "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", tmp_path,
                   env={**os.environ, **oracle.environment()}, stderr=subprocess.DEVNULL)
    server.expect("eady to accept connections", timeout=60)
    subprocess.run(["redis-benchmark", "-s", socket, "-q", "-n", "5000", "-c", "10", "-r", "1000",
                    "-t", "set,get,incr,lpush,rpop,sadd,hset,zadd,lrange_100"], check=True, capture_output=True,
                   timeout=300)
    subprocess.run(["redis-cli", "-s", socket, "shutdown", "nosave"], capture_output=True, timeout=60)
    server.rest()
    assert server.wait() == 0
    report = [r for r in read_reports(output) if r.get("title") == "at exit"][-1]
    compare(report, oracle)
