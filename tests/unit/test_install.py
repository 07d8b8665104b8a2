# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""make install and uninstall, into a directory of the test's own."""

import gzip
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def make(target, root):
    # Variables of a make that runs this test would be taken over.
    env = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES")}
    subprocess.run(["make", "--no-print-directory", target, "PREFIX=/opt/memwatch", f"DESTDIR={root}"], cwd=ROOT, env=env,
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=300)


@pytest.fixture
def installed(tmp_path):
    make("install", tmp_path)
    return tmp_path / "opt/memwatch"


def words_for(installed, *words):
    """What bash offers for the last of @words."""
    script = ('. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _memwatch; printf "%s\\n" "${COMPREPLY[@]}"')
    completion = installed / "share/bash-completion/completions/memwatch"
    done = subprocess.run(["bash", "-c", script, "bash", str(completion), str(installed / "bin/memwatch"), *words],
                          capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def test_program_runs(installed):
    done = subprocess.run([installed / "bin/memwatch", "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("memwatch ")
    done = subprocess.run([installed / "bin/memwatch", "sites", installed / "bin/memwatch"], capture_output=True, text=True,
                          check=False, timeout=60)
    assert done.returncode == 1 and "no allocator function" in done.stderr, done


def test_pages(installed):
    pages = sorted(path.name for path in (installed / "share/man/man1").iterdir())
    assert pages == ["memwatch-mark.1.gz", "memwatch-sites.1.gz", "memwatch.1.gz"]
    for page in pages:
        path = installed / "share/man/man1" / page
        assert gzip.decompress(path.read_bytes()) == (ROOT / "docs/man" / page.removesuffix(".gz")).read_bytes()
        assert path.stat().st_mode & 0o777 == 0o644
    assert (installed / "share/doc/memwatch/README.md").exists()
    assert (installed / "share/doc/memwatch/docs/losses.md").exists()


def test_completion(installed):
    assert words_for(installed, "--fol") == ["--follow"]
    assert words_for(installed, "s") == ["sites"]
    assert words_for(installed, "sites", "--j") == ["--json"]
    assert words_for(installed, "--attach-mode", "=", "p") == ["perf"]
    assert str(os.getpid()) in words_for(installed, "-p", "")


def test_uninstall_leaves_nothing_of_ours(installed, tmp_path):
    foreign = installed / "bin/other"
    foreign.write_text("")
    make("uninstall", tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [foreign]
    assert not (installed / "share/doc/memwatch").exists()
