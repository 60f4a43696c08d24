"""Addresses of servers, and whose turn it is."""

import pytest

from bac_terms import errors
from bacctl.client.transports.endpoints import Endpoints, parse_urls


@pytest.mark.parametrize(
    ("urls", "addresses", "tls"),
    [
        ("localhost:8001", ["localhost:8001"], None),
        ("gpu-host", ["gpu-host:8001"], None),
        ("grpc://gpu-host:9000/", ["gpu-host:9000"], False),
        ("grpcs://gpu-host", ["gpu-host:8001"], True),
        ("[::1]:7", ["[::1]:7"], None),
        ("[::1]", ["[::1]:8001"], None),
        ("[fe80::1%br-1a2b]:9000", ["[fe80::1%br-1a2b]:9000"], None),
        (["a", "b:2", "a:8001"], ["a:8001", "b:2"], None),
        ("a, b:2", ["a:8001", "b:2"], None),
        (["a,b", "c"], ["a:8001", "b:8001", "c:8001"], None),
        ("dns:///bacctl.example:9000", ["bacctl.example:9000"], None),
        ("dns:///a,b", ["a:8001", "b:8001"], None),
        (("grpcs://a", "grpcs://b"), ["a:8001", "b:8001"], True),
    ],
)
def test_address(urls, addresses, tls):
    assert parse_urls(urls) == (addresses, tls)


@pytest.mark.parametrize(
    "url",
    [
        *("", "http://localhost:8000", "https://x", "grpc://", "a b", ["a", ""], "a,", "dns:///"),
        *(
            "gpu-host:http",
            "gpu-host:",
            "gpu-host:0",
            "gpu-host:65536",
            ":8001",
            "::1",
            "[::1",
            "a:1:2",
            "[zzz]:1",
        ),
    ],
)
def test_what_is_no_grpc_address(url):
    with pytest.raises(errors.ServerUnavailableError, match="host:port"):
        parse_urls(url)


@pytest.mark.parametrize("urls", [[], ["grpc://a", "grpcs://b"], ["a", "grpcs://b"]])
def test_addresses_that_do_not_go_together(urls):
    with pytest.raises(errors.ClientUsageError, match="BAC-CLIENT-OPTIONS"):
        parse_urls(urls)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_each_in_turn():
    endpoints = Endpoints("abc")
    assert [endpoints.pick() for _ in range(7)] == list("abcabca")


def test_a_dead_one_is_left_out_and_comes_back():
    clock = Clock()
    endpoints = Endpoints("abc", rest_s=10.0, clock=clock)
    endpoints.failed("b")
    assert [endpoints.pick() for _ in range(4)] == list("acac")
    clock.now = 9.9
    assert "b" not in [endpoints.pick() for _ in range(4)]
    clock.now = 10.0
    assert sorted(endpoints.pick() for _ in range(3)) == list("abc")


def test_one_that_answers_is_taken_back_at_once():
    clock = Clock()
    endpoints = Endpoints("ab", rest_s=10.0, clock=clock)
    endpoints.failed("a")
    endpoints.answered("a")
    assert sorted(endpoints.pick() for _ in range(2)) == list("ab")


def test_how_long_one_rests_may_be_said_and_whether_another_is_there():
    clock = Clock()
    endpoints = Endpoints("ab", rest_s=10.0, clock=clock)
    assert endpoints.failed("a", 60.0)
    assert not endpoints.failed("b")
    clock.now = 11.0
    assert [endpoints.pick() for _ in range(2)] == list("bb")
    assert endpoints.failed("a", 60.0)


def test_where_all_are_dead_the_one_that_has_rested_longest_is_tried():
    clock = Clock()
    endpoints = Endpoints("ab", rest_s=10.0, clock=clock)
    endpoints.failed("b")
    clock.now = 1.0
    endpoints.failed("a")
    assert endpoints.pick() == "b"
    clock.now = 2.0
    endpoints.failed("b")
    assert endpoints.pick() == "a"
    assert Endpoints(["only"]).pick() == "only"
