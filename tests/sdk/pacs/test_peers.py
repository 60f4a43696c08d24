"""AE titles, addresses, and the contexts that objects go in."""

from __future__ import annotations

import pytest

pytest.importorskip("pynetdicom", reason="needs bacctl[dicom-network]")

from bacctl.pacs.contexts import MEASURED, accepted_contexts, offers
from bacctl.pacs.peers import Caller, Peer, may_call


@pytest.mark.parametrize("text", ["PACS@10.0.0.5:104", "A B@host.example:11112", "X@[::1]:4242"])
def test_peers_are_written_as_they_are_read(text: str) -> None:
    assert str(Peer.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "PACS",
        "PACS@host",
        "@host:104",
        "PACS@:104",
        "PACS@host:0",
        "PACS@host:70000",
        "SEVENTEEN-LETTERS@host:104",
        "BACK\\SLASH@host:104",
        "   @host:104",
        "PÄCS@host:104",
    ],
)
def test_what_is_no_peer_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no (destination|AE title)"):
        Peer.parse(text)


def test_who_may_call() -> None:
    callers = [Caller.parse("MODALITY@127.0.0.1"), Caller.parse("ANYWHERE")]
    assert may_call(callers, "MODALITY", "127.0.0.1")
    assert may_call(callers, "MODALITY ", "::ffff:127.0.0.1")
    assert may_call(callers, "ANYWHERE", "192.0.2.7")
    assert not may_call(callers, "MODALITY", "192.0.2.7")
    assert not may_call(callers, "modality", "127.0.0.1")
    assert not may_call(callers, "", "127.0.0.1")
    assert not may_call([Caller.parse("X@no.such.host.invalid")], "X", "127.0.0.1")


def test_no_association_offers_more_contexts_than_there_are_identifiers() -> None:
    pairs = [(f"1.2.{number}", "1.2.840.10008.1.2.1") for number in range(300)]
    assert [len(contexts) for contexts in offers(pairs + pairs)] == [128, 128, 44]


def test_everything_of_the_breast_and_all_results_are_accepted() -> None:
    kinds = {str(context.abstract_syntax) for context in accepted_contexts()}
    assert kinds >= MEASURED
    # Parametric Map, Label Map, Breast Projection: pynetdicom's shorter list lacks them.
    assert kinds >= {
        "1.2.840.10008.5.1.4.1.1.30",
        "1.2.840.10008.5.1.4.1.1.66.7",
        "1.2.840.10008.5.1.4.1.1.13.1.4",
    }
