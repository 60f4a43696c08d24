"""Faults of a server while a client sends images: a result is the undisturbed one, or says that it failed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import trustme
from tests.faults import processes
from tests.faults.images import damage, fingerprint
from tests.faults.outcome import judge
from tests.faults.processes import STEPS
from tests.faults.stand import IN_FLIGHT, Serve, Stand, run, standing

from bacctl import BacctlError, Client
from bacctl.client.transports.security import Tls

Fault = Callable[[Stand], object]


def _kill_step(step: str) -> Fault:
    return lambda stand: processes.kill(lambda: processes.of_step(stand.root, step))


def _stall_step(step: str, seconds: float | None) -> Fault:
    return lambda stand: processes.stall(lambda: processes.of_step(stand.root, step), seconds)


def _cut(stand: Stand) -> None:
    assert stand.relay is not None
    stand.relay.cut()


def _quiet(stand: Stand) -> None:
    assert stand.relay is not None
    stand.relay.quiet()


BOTH: dict[str, Fault] = {
    "kill -9 of the server": lambda stand: processes.kill(lambda: processes.of_server(stand.root)),
    **{f"kill -9 of {step}": _kill_step(step) for step in STEPS},
    **{f"{step} stands still for 3 s": _stall_step(step, 3.0) for step in STEPS},
    "bac_segment stands still for good": _stall_step("bac_segment", None),
    "the server stands still for 5 s": lambda stand: processes.stall(
        lambda: processes.of_server(stand.root), 5.0
    ),
    "started again while in use": Stand.restart,
}
SERVED: dict[str, Fault] = {
    "kill -9 of the supervisor": lambda stand: processes.kill(lambda: processes.of_supervisor(stand.root)),
    "kill -9 of bacctl serve": Stand.kill_all,
    "connections cut": _cut,
    "connections go quiet": _quiet,
}
EMBEDDED: dict[str, Fault] = {
    "kill -9 of the supervisor": lambda stand: processes.kill(lambda: [stand.root]),
}
WAYS = {"embedded": {**BOTH, **EMBEDDED}, "served": {**BOTH, **SERVED}}


# One start of a server for each, so that few can be had in every run of the tests.
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("way", "fault"), [("embedded", "kill -9 of the server"), ("served", "connections cut")]
)
def test_a_few(way: str, fault: str, few: Mapping[str, str], tmp_path: Path) -> None:
    with standing(way, tmp_path) as stand:
        run(fault, stand, WAYS[way][fault], few).check()
        _measures(stand.client, few)


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("way", "fault"), [(way, fault) for way, faults in WAYS.items() for fault in faults])
def test_all(way: str, fault: str, images: Mapping[str, str], tmp_path: Path) -> None:
    with standing(way, tmp_path) as stand:
        run(fault, stand, WAYS[way][fault], images).check_all_measured()
        _measures(stand.client, images)


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", ["embedded", "served"])
def test_damaged_files_amid_good_ones(way: str, images: Mapping[str, str], tmp_path: Path) -> None:
    good = list(images)
    bad = damage([Path(path) for path in good[::2]], tmp_path / "bad")
    mixed = sorted([*good, *map(str, bad)], key=lambda path: Path(path).name.removeprefix("cut-"))
    with standing(way, tmp_path) as stand:
        results = list(stand.client.analyze_many(mixed, max_in_flight=IN_FLIGHT))
    assert len(results) == len(mixed)
    cut = [result for result in results if str(result.path) not in images]
    assert len(cut) == len(bad)
    assert {result.status for result in cut} == {"refused"}
    seen = [
        (str(result.path), result.status, result.code, fingerprint(result))
        for result in results
        if str(result.path) in images
    ]
    outcome = judge("damaged files amid good ones", way, seen, images)
    outcome.write()
    outcome.check_all_measured()


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_two_clients(images: Mapping[str, str], tmp_path: Path) -> None:
    outcomes = []
    with standing("served", tmp_path) as stand, Client(stand.client.url, timeout=240) as other:
        second = Stand("served", other)

        def beside() -> None:
            outcomes.append(run("two clients, the second", second, lambda _: None, images))

        thread = threading.Thread(target=beside)
        thread.start()
        outcomes.append(run("two clients, the first", stand, _kill_step("bac_segment"), images))
        thread.join()
    assert len(outcomes) == 2
    for outcome in outcomes:
        outcome.check_all_measured()


@pytest.mark.full
def test_wrong_certificate(few: Mapping[str, str], tmp_path: Path) -> None:
    right, wrong = trustme.CA(), trustme.CA()
    own = right.issue_cert("localhost", "127.0.0.1")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    for name, authority in (("right", right), ("wrong", wrong)):
        authority.cert_pem.write_to_path(tmp_path / f"{name}.pem")
    serve = Serve(
        tmp_path / "log",
        *("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem")),
    )
    try:
        url = f"localhost:{serve.port}"
        with Client(url, tls=Tls(ca=tmp_path / "wrong.pem")) as client:
            results = list(client.analyze_many(list(few)))
        assert [result.code for result in results] == ["BAC-SERVER-TLS"] * len(few)
        with Client(url, tls=Tls(ca=tmp_path / "right.pem")) as client:
            _measures(client, few)
    finally:
        serve.stop()


def _measures(client: Client, expected: Mapping[str, str]) -> None:
    """See that a good image is measured rightly after all that, which a new start may delay."""
    path, wanted = next(iter(expected.items()))
    for last in (False, False, False, True):
        try:
            result = client.analyze(path)
        except BacctlError:
            if last:
                raise
            continue
        assert fingerprint(result) == wanted
        return
