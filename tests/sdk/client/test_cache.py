"""The cache: the same result, for the same bytes and the same weights, and never a result lost."""

import os
import sqlite3
import stat
import subprocess
import sys
import warnings

import numpy as np
import pytest

from bacctl import Client, RefusedError
from bacctl.client._cache import ResultCache
from bacctl.client.core import Core
from bacctl.client.transports.transport import Answer
from bacctl.testing import FakeServer, _FakeTransport, make_report, refusal

MODEL, OTHER = "ab" * 32, "cd" * 32
MASK = np.random.default_rng(1).random((7, 5)) > 0.5
DENSITY = np.random.default_rng(2).random((7, 5)).astype(np.float32)


def measure(request):
    if request.data == b"refuse":
        raise refusal("BAC-VIEW-SPOT")
    mass = {b"a": 1.5, b"b": 2.5}[request.data]
    return make_report(rows=7, columns=5, calcium_mass_mg=mass, mask=MASK, density=DENSITY)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.sqlite"


def test_the_same_result_without_the_server(path):
    fake = FakeServer(measure)
    with fake.client(cache=path) as client:
        first = client.analyze(b"a")
        assert client.analyze(b"b").calcium_mass_mg == 2.5
    with fake.client(cache=path) as client:
        again = client.analyze(b"a")
    assert len(fake.requests) == 2
    assert again == first
    assert np.array_equal(again.mask, MASK)
    assert again.mask.dtype == bool
    assert np.array_equal(again.density, DENSITY)
    assert again.density.dtype == np.float32


def test_an_answer_without_density_is_none_to_who_wants_it(path):
    fake = FakeServer(measure)

    def seen(with_density):
        core = Core(10.0, 0.0, 0, path, judges_headers=False, with_density=with_density)
        with Client._over(_FakeTransport(fake), core) as client:
            client.analyze(b"a")
            return client.analyze(b"a").density is not None, len(fake.requests)

    assert seen(False) == (False, 1)
    assert seen(True) == (True, 2)  # measured anew, with the density
    assert seen(False) == (False, 2)


def test_the_path_is_that_of_the_file_at_hand(path, tmp_path):
    fake = FakeServer(measure)
    for name in ("one.dcm", "two.dcm"):
        (tmp_path / name).write_bytes(b"a")
        with fake.client(cache=path) as client:
            assert client.analyze(tmp_path / name).path == tmp_path / name
    assert len(fake.requests) == 1


def test_other_options_are_another_image(path):
    fake = FakeServer(measure)
    with fake.client(cache=path) as client:
        client.analyze(b"a")
        client.analyze(b"a", 0.1)
        client.analyze(b"a", 0.1)
    assert len(fake.requests) == 2


def test_refusals_are_asked_again(path):
    fake = FakeServer(measure)
    with fake.client(cache=path) as client:
        for _ in range(2):
            with pytest.raises(RefusedError):
                client.analyze(b"refuse")
    assert len(fake.requests) == 2


def test_off_unless_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fake = FakeServer(measure)
    with fake.client() as client:
        client.analyze(b"a")
        client.analyze(b"a")
    assert len(fake.requests) == 2
    assert not list(tmp_path.iterdir())


def test_other_weights_and_other_releases_are_other_results(path):
    cache = ResultCache(path)
    cache.put(b"a", None, MODEL, "1", None, Answer(make_report(), np.zeros((4, 3), bool), None))
    assert cache.get(b"a", None, MODEL, "1", None) is not None
    assert cache.get(b"a", None, OTHER, "1", None) is None
    assert cache.get(b"a", None, MODEL, "2", None) is None
    assert cache.get(b"a", None, MODEL, None, None) is None
    # Another map makes other probabilities of the same scores, and another operating point other amounts.
    assert cache.get(b"a", None, MODEL, "1", "ab" * 32) is None
    assert cache.get(b"a", {"min_probability": 0.5}, MODEL, "1", None) is None
    cache.close()


def test_only_the_owner_can_read_it(path):
    ResultCache(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be one" * 50, b"SQLite format 3\0junk"]
)
def test_file_that_is_no_cache(path, content):
    path.write_bytes(content)
    with pytest.warns(RuntimeWarning, match=r"results\.sqlite: cannot be used as a cache"):
        client = FakeServer(measure).client(cache=path)
    with client:
        assert client.analyze(b"a").calcium_mass_mg == 1.5
    assert path.read_bytes() == content


def test_database_of_another_program_is_left_alone(path):
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE patients (name)")
    before = path.read_bytes()
    with pytest.warns(RuntimeWarning, match="another program"):
        FakeServer(measure).client(cache=path).close()
    assert path.read_bytes() == before


def test_folder_that_is_not_there(tmp_path):
    with pytest.warns(RuntimeWarning, match="No such file"):
        FakeServer(measure).client(cache=tmp_path / "none" / "cache").close()


def test_damage_in_the_middle(path):
    fake = FakeServer(measure)
    with fake.client(cache=path) as client:
        client.analyze(b"a")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE answer SET mask = x'00'")
    with fake.client(cache=path) as client:
        assert np.array_equal(client.analyze(b"a").mask, MASK)  # measured anew, and mended
        assert np.array_equal(client.analyze(b"a").mask, MASK)
    assert len(fake.requests) == 2


def test_file_that_breaks_while_it_is_used(path):
    fake = FakeServer(measure)
    with fake.client(cache=path) as client:
        client.analyze(b"a")
        with sqlite3.connect(path) as database:
            database.execute("DROP TABLE answer")
        with pytest.warns(RuntimeWarning, match="cannot be used"):
            assert client.analyze(b"a").calcium_mass_mg == 1.5
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # said once
            assert client.analyze(b"a").calcium_mass_mg == 1.5


FILL = """
import sys
import numpy as np
from bacctl.client._cache import ResultCache
from bacctl.client.transports.transport import Answer
from bacctl.testing import make_report

path, first, model = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sys.stdin.readline()  # all at once
cache = ResultCache(path)
for number in range(first, first + 40):
    report = make_report(rows=7, columns=5, calcium_mass_mg=float(number))
    cache.put(b"%d" % number, None, model, None, None, Answer(report, np.ones((7, 5), bool), None))
    assert cache.get(b"%d" % number, None, model, None, None) is not None
cache.close()
"""


def test_several_processes(path):
    workers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", FILL, path, str(first), MODEL], stdin=subprocess.PIPE
        )
        for first in (0, 20)
    ]
    for worker in workers:
        worker.stdin.write(b"go\n")
        worker.stdin.close()
    assert [worker.wait(60) for worker in workers] == [0, 0]
    cache = ResultCache(path)
    masses = [cache.get(b"%d" % n, None, MODEL, None, None).report["calcium_mass_mg"] for n in range(60)]
    assert masses == list(range(60))
    cache.close()
    assert os.listdir(path.parent) == [path.name]  # the last one tidied up
