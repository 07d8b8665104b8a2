# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is read of code objects from outside is what their interpreter says of them, for every instruction."""
import pytest

from code_support import Driver, Target, build_driver, find_interpreters

THERE, MISSING = find_interpreters()
TABLE = []
NO_LINE = -1


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return build_driver(tmp_path_factory.mktemp("driver"))


@pytest.fixture(scope="module", params=[one[1] for one in THERE], ids=[one[0] for one in THERE])
def target(request, tmp_path_factory):
    started = Target(request.param, tmp_path_factory.mktemp("target"))
    yield started
    started.end()


@pytest.fixture
def driver(program, target):
    started = Driver(program, target.about)
    yield started
    started.end()


def test_there_are_interpreters():
    assert THERE


def check(driver, said):
    """Compares what the interpreter said of one code object. The number of instructions' lines compared."""
    assert "disagrees" not in said, "the interpreter contradicts itself"
    answer = driver.ask("code " + said["address"])
    assert answer[0] == "ok", (answer, said)
    _, file, name, qualified, first, size, _, _, before, lines = answer
    assert (file, name, qualified) == (said["file"], said["name"], said["qualified"])
    assert (int(first), int(size), int(before)) == (said["first"], said["size"], said["before"])
    assert lines == said["lines"], (bytes.fromhex(file), bytes.fromhex(name))
    return int(size) // 2


@pytest.mark.parametrize("group", ["stdlib 3", "loaded", "samples", "huge", "names", "places", "tables 1"])
def test_equal(target, driver, group):
    said = target.ask(group)
    compared = [check(driver, one) for one in said]
    least = {"stdlib 3": 3000, "loaded": 500, "samples": 130, "huge": 6, "names": 46, "places": 4, "tables 1": 154}
    assert len(compared) >= least[group]
    if group == "huge":
        assert max(one["size"] for one in said) > 65536
    TABLE.append((target.about["version"], group, len(compared), sum(compared)))


def test_frozen(target, driver):
    """Code that stands in the interpreter's own data, and the name that it goes by."""
    names = {bytes.fromhex(one["file"]).decode("utf-8", "replace") for one in target.ask("loaded")}
    assert any(name.startswith("<frozen importlib._bootstrap") for name in names)


def test_places_are_named_as_they_are(target):
    files = [bytes.fromhex(one["file"]).decode() for one in target.ask("places")]
    assert files[0] == "<string>"
    assert files[2].endswith("zipped.zip/zipped_module.py")
    assert files[3].endswith("deleted_module.py")


def test_strings(target, driver):
    for one in target.ask("strings"):
        assert driver.ask("string " + one["address"]) == ["ok", one["text"]], one


def test_others_are_refused(target, driver):
    for one in target.ask("others"):
        answer = driver.ask("code " + one["address"])
        assert answer[0] == "error" and answer[1] in ("EBADMSG", "EFAULT"), (one, answer)
        assert answer[2]


def test_large_tables(target, driver):
    """At most a MiB is read; a function with more has no lines, and its name all the same."""
    for size, line in ((1 << 20, "0x"), ((1 << 20) + 2, "-1x")):
        said = target.ask("large_table %d" % size)[0]
        answer = driver.ask("code " + said["address"])
        assert answer[0] == "ok" and bytes.fromhex(answer[2]) == b"f"
        assert (answer[8] == "1") == (size <= 1 << 20)
        if size > 1 << 20:
            assert answer[9].startswith(line) and "," not in answer[9]


def numbered(number):
    return ("<churn %06d>" % number).encode().hex(), ("churn_%06d" % number).encode().hex()


@pytest.mark.parametrize("kind", ["single", "twin"])
def test_reused_address(target, driver, kind):
    """Another code object at the same address is told apart from all that have been there."""
    there = {}
    reused = alike = 0
    for number in range(1, 200):
        said = target.ask("%s %d" % (kind, number))[0]
        address = said["address"]
        driver.ask("round")
        assert driver.ask("look %s 0" % address) == ["ok", *numbered(number), said["lines"].split("x")[0], "0"]
        identity = driver.ask("names " + address)[6:8]
        for earlier in there.setdefault(address, []):
            assert identity != earlier
        if there[address]:
            reused += 1
            alike += any(identity[0] == earlier[0] for earlier in there[address])
        there[address].append(identity)
    assert reused > 50, "the test has tested nothing"
    TABLE.append((target.about["version"], "reused " + kind, reused, "%d alike but for their contents" % alike))


def test_rounds(target, driver):
    """In a round, what was read is believed; what stood at an address before is known until the next begins."""
    address = target.ask("single 1")[0]["address"]
    first = driver.ask("names " + address)[6:8]
    assert driver.ask("look %s 0" % address)[1:3] == list(numbered(1))
    for number in range(2, 300):
        if target.ask("single %d" % number)[0]["address"] == address:
            break
    else:
        raise AssertionError("no address is used again")
    second = driver.ask("names " + address)[6:8]
    find = "find %s %s %s"
    assert driver.ask("look %s 0" % address)[1:3] == list(numbered(1))
    assert driver.ask(find % (address, *second))[0] == "error"
    driver.ask("round")
    assert driver.ask(find % (address, *first)) == ["ok", *numbered(1)]
    assert driver.ask("look %s 0" % address)[1:3] == list(numbered(number))
    assert driver.ask(find % (address, *first)) == ["ok", *numbered(1)]
    assert driver.ask(find % (address, *second)) == ["ok", *numbered(number)]
    driver.ask("round")
    assert driver.ask(find % (address, *first))[0] == "error"
    assert driver.ask(find % (address, *second)) == ["ok", *numbered(number)]
    read, replaced, gone, failed, count = map(int, driver.ask("stats")[1:6])
    assert (read, replaced, gone, failed, count) == (2, 1, 0, 0, 1)


def test_gone(target, driver):
    """A freed code object is none; what was known of it is still told, and that it has gone."""
    said = target.ask("single 4242")[0]
    assert driver.ask("look %s 0" % said["address"])[4] == "0"
    target.ask("drop")
    answer = driver.ask("code " + said["address"])
    assert answer[:2] in (["error", "EBADMSG"], ["error", "EFAULT"]), answer
    driver.ask("round")
    assert driver.ask("look %s 0" % said["address"]) == ["ok", *numbered(4242), said["lines"].split("x")[0], "1"]


def test_bench(target, driver):
    for one in target.ask("stdlib 12"):
        driver.ask("code " + one["address"])
    _, count, reads, calls, cached, walked = driver.ask("bench 0.5")
    TABLE.append((target.about["version"], "bench", "%s objects, %s reads/s, %s calls a read, lookup %s us, walk %s us"
                  % (count, reads, calls, cached, walked), ""))
    assert float(calls) < 4


def test_churn(target, driver):
    """While code objects come and go, what is read is whole: no name of one with the lines of another. But for one that
    is just being made, whose thread the kernel has put aside meanwhile: its fields are still those of what stood
    there before. No frame holds such an object; there are a few in 100,000 reads, and up to some hundred if it takes
    milliseconds until the thread goes on."""
    for one in target.ask("churn"):
        assert driver.ask("watch " + one["address"]) == ["ok"]
    _, whole, refused, changed, others, torn = driver.ask("hammer 2")
    TABLE.append((target.about["version"], "churn", whole, "%s refused, %s of them changing; %s others, %s torn"
                  % (refused, changed, others, torn)))
    assert int(whole) > 1000 and int(torn) * 50 < int(whole)


def test_ended(program, target):
    """The last of each interpreter's: it is killed."""
    driver = Driver(program, target.about)
    said = target.ask("single 7")[0]
    driver.ask("look %s 0" % said["address"])
    target.process.kill()
    target.process.wait()
    assert driver.ask("code " + said["address"])[:2] == ["error", "ESRCH"]
    driver.ask("round")
    assert driver.ask("look %s 0" % said["address"])[1:3] == list(numbered(7))
    driver.end()


def test_table(capsys):
    """What has been compared, interpreter by interpreter."""
    with capsys.disabled():
        print("\nmissing: " + (", ".join("%d.%d" % version for version in MISSING) or "none"))
        for version, group, count, lines in sorted(TABLE, key=lambda row: row[0]):
            print("%-8s %-14s %8s %10s" % (".".join(map(str, version)), group, count, lines))
