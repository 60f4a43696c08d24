"""How both clients are used, and how they cannot be: closed, in two event loops, after a fork."""

from __future__ import annotations

import asyncio
import inspect
import io
import os
import pickle
import threading
import time

import pydicom
import pytest

from bac_terms import errors
from bacctl import AsyncClient, Client, ClientUsageError, ServerUnavailableError
from bacctl.client.core import Core
from bacctl.server.embedded import EmbeddedServer
from bacctl.testing import FakeServer, Request, make_report, refusal

CALLS = [
    lambda client: client.analyze(b"x"),
    lambda client: client.analyze_many([b"x"]),
    lambda client: client.analyze_exam([b"x"]),
    lambda client: client.compare([b"x"], [b"x"]),
    lambda client: client.ready(),
    lambda client: client.server_info(),
]


async def finished(answer):
    if inspect.isasyncgen(answer):
        return [result async for result in answer]
    return await answer


def methods(kind):
    return {
        name: inspect.signature(member)
        for name, member in inspect.getmembers(kind, callable)
        if not name.startswith("_")
    }


def test_both_clients_have_the_same_methods():
    threads, loops = methods(Client), methods(AsyncClient)
    assert list(threads) == list(loops)
    for name, signature in threads.items():
        ours = [(p.name, p.kind, p.default) for p in signature.parameters.values()]
        theirs = [(p.name, p.kind, p.default) for p in loops[name].parameters.values()]
        assert ours == theirs, name
    assert inspect.signature(Client).parameters.keys() == inspect.signature(AsyncClient).parameters.keys()


@pytest.mark.parametrize("call", CALLS)
def test_closed(call):
    fake = FakeServer()
    client = fake.client()
    client.close()
    client.close()
    with pytest.raises(ClientUsageError, match="BAC-CLIENT-CLOSED"):
        call(client)

    async def main():
        client = fake.async_client()
        await client.close()
        await client.close()
        with pytest.raises(ClientUsageError, match="BAC-CLIENT-CLOSED"):
            await finished(call(client))

    asyncio.run(main())
    assert not fake.requests


@pytest.mark.parametrize("call", CALLS)
def test_two_event_loops(call):
    fake = FakeServer()
    client = fake.async_client()
    assert asyncio.run(client.analyze(b"x")).status == "ok"

    async def elsewhere():
        with pytest.raises(ClientUsageError, match="BAC-CLIENT-LOOP"):
            await finished(call(client))

    asyncio.run(elsewhere())
    assert len(fake.requests) == 1


def test_a_real_connection_can_be_closed_in_another_loop(serve):
    client = AsyncClient(serve())
    assert asyncio.run(client.analyze(b"x")).status == "ok"
    asyncio.run(client.close())


def in_child(question) -> str:
    """Fork, ask, and return what the child says."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, question().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return answer


def code_of(call) -> str:
    try:
        call()
    except errors.BacctlError as error:
        return error.code
    return "no error"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_after_connect(serve):
    client = Client(serve())
    assert client.analyze(b"x").status == "ok"
    assert in_child(lambda: code_of(lambda: client.analyze(b"x"))) == "BAC-CLIENT-FORKED"
    assert in_child(lambda: code_of(client.close)) == "no error"
    assert client.analyze(b"x").status == "ok"  # the parent goes on
    client.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_leaves_the_parents_server_alone(monkeypatch):
    stopped = []

    class Server(EmbeddedServer):
        url = "127.0.0.1:1"

        def __init__(self):
            pass

        def stop(self):
            stopped.append(os.getpid())

    from bacctl.client.transports.embedded import EmbeddedTransport

    client = Client._over(EmbeddedTransport(Server()), Core(5.0, 0.0, 0, None))
    assert in_child(lambda: (client.close(), str(stopped))[1]) == "[]"
    client.close()
    assert stopped == [os.getpid()]


def test_nothing_is_sent_before_the_first_call():
    Client("no-such-host.invalid").close()
    asyncio.run(AsyncClient("no-such-host.invalid").close())


def test_ready():
    fake = FakeServer()
    with fake.client() as client:
        assert client.ready()

    async def main():
        async with fake.async_client() as client:
            assert await client.ready()
        async with AsyncClient("127.0.0.1:1") as nobody:
            assert not await nobody.ready(timeout=5.0)

    asyncio.run(main())
    with Client("127.0.0.1:1") as nobody:
        assert not nobody.ready(timeout=5.0)
        with pytest.raises(ServerUnavailableError):
            nobody.server_info(max_retries=0)


def results(fake, sources, **given):
    """Go through ``analyze_many`` with both clients and return the codes of each."""
    with fake.client() as client:
        first = [result.code for result in client.analyze_many(sources(), **given)]

    async def main():
        async with fake.async_client() as client:
            return [result.code async for result in client.analyze_many(sources(), **given)]

    return first, asyncio.run(main())


def measure(request):
    if request.data == b"slow":
        time.sleep(0.3)
    if request.data == b"refuse":
        raise refusal("BAC-VIEW-SPOT")
    if request.data == b"break":
        raise ZeroDivisionError
    return make_report()


def test_many_in_order_on_request(tmp_path):
    sources = [b"slow", b"refuse", b"", tmp_path / "none", b"break", b"x"]
    wanted = [None, "BAC-VIEW-SPOT", "BAC-FILE-EMPTY", "BAC-FILE-UNREADABLE", "BAC-INTERNAL", None]
    for codes in results(FakeServer(measure), lambda: sources, max_in_flight=3, ordered=True):
        assert codes == wanted


def test_many_as_they_come():
    with FakeServer(measure).client() as client:
        codes = [r.code for r in client.analyze_many([b"slow", b"refuse", b""], max_in_flight=3)]
    assert codes[-1] is None
    assert sorted(codes[:2]) == ["BAC-FILE-EMPTY", "BAC-VIEW-SPOT"]


@pytest.mark.parametrize("wanted", [0, -1, 1.5, True])
def test_in_flight_that_is_none(wanted):
    with FakeServer().client() as client, pytest.raises(ClientUsageError, match="max_in_flight"):
        client.analyze_many([b"x"], max_in_flight=wanted)


def test_sources_that_fail_themselves():
    def sources():
        yield b"x"
        raise KeyError("of the caller")

    with pytest.raises(KeyError, match="of the caller"):
        results(FakeServer(), sources)

    async def main():
        async with FakeServer().async_client() as client:
            with pytest.raises(KeyError, match="of the caller"):
                [r async for r in client.analyze_many(sources())]

    asyncio.run(main())


def test_results_do_not_wait_for_sources_that_come_later():
    async def main():
        arrived = asyncio.Event()

        async def sources():
            yield b"first"
            await arrived.wait()  # for the result of the first
            yield b"second"

        async with FakeServer().async_client() as client:
            count = 0
            async for result in client.analyze_many(sources(), max_in_flight=4):
                count += 1
                assert result.status == "ok"
                arrived.set()
        return count

    assert asyncio.run(asyncio.wait_for(main(), 20)) == 2


def test_who_leaves_early_leaves_nothing_behind():
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield b"x"

    async def main():
        async with FakeServer().async_client() as client:
            many = client.analyze_many(endless(), max_in_flight=2)
            async for _ in many:
                break
            await many.aclose()
            assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    assert len(taken) <= 4


def test_client_that_is_closed_in_between_ends_the_run():
    fake = FakeServer()
    client = fake.client()
    many = client.analyze_many([b"x"] * 9, max_in_flight=1)
    next(many)
    client.close()
    with pytest.raises(ClientUsageError):
        list(many)


def test_never_more_in_flight_than_allowed_in_a_loop():
    running, most, lock = [0], [0], threading.Lock()

    class Slow:
        url = "slow:1"

        async def infer(self, data, options, timeout=1.0):
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            await asyncio.sleep(0.01)
            running[0] -= 1
            return FakeServer().answer(Request(data, options, timeout))

        async def close(self):
            pass

    async def main():
        client = AsyncClient._over(Slow(), Core(5.0, 0.0, 0, None))
        return [r.status async for r in client.analyze_many([b"x"] * 12, max_in_flight=3)]

    assert asyncio.run(main()) == ["ok"] * 12
    assert most[0] == 3


def test_folder_that_holds_itself(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"content")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "loop").symlink_to(tmp_path)
    (tmp_path / "nowhere.dcm").symlink_to("nowhere.dcm")
    fake = FakeServer()
    with fake.client() as client:
        exam = client.analyze_exam(tmp_path)
    assert [request.data for request in fake.requests] == [b"content"]
    # A link that is named like an image may have been one, wherever it leads now.
    told = {image.path.name: image.code for image in exam.images}
    assert told == {"a.dcm": None, "nowhere.dcm": "BAC-FILE-UNREADABLE"}


def test_many_threads_ask_once_what_the_server_is(tmp_path):
    counted = []

    class Counting:
        url = "counting:1"

        def __init__(self):
            self._fake = FakeServer()

        def infer(self, data, options, timeout=1.0):
            return self._fake.answer(Request(data, options, timeout))

        def metadata(self, timeout=1.0):
            counted.append(1)
            time.sleep(0.05)
            return "counting", "1"

        def close(self):
            pass

    with Client._over(Counting(), Core(5.0, 0.0, 0, tmp_path / "cache")) as client:
        assert len(list(client.analyze_many([b"a", b"b", b"c", b"d"], max_in_flight=4))) == 4
    assert len(counted) == 1


def test_open_file_as_source(tmp_path):
    fake = FakeServer()
    (tmp_path / "a").write_bytes(b"content")
    with fake.client() as client, open(tmp_path / "a", "rb") as stream:
        client.analyze(stream)
        client.analyze(io.BytesIO(b"bytes"))
    assert [request.data for request in fake.requests] == [b"content", b"bytes"]


def test_errors_of_servers_survive_the_way_between_processes():
    error = errors.from_catalogue("BAC-SERVER-TLS")
    error.triton_status = "UNAVAILABLE"
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.triton_status, copy.hint) == (errors.TlsError, "UNAVAILABLE", error.hint)


@pytest.mark.parametrize("one", ["a.dcm", b"x", bytearray(b"x"), io.BytesIO(b"x"), pydicom.Dataset()])
def test_one_image_in_place_of_several(one):
    """Each of them can be gone through: letters, bytes, lines, elements."""
    fake = FakeServer()

    async def main(call):
        async with fake.async_client() as client:
            with pytest.raises(ClientUsageError, match="put it in a list"):
                await finished(call(client))

    # A path stands for the folder of an exam.
    calls = [lambda client: client.analyze_many(one)]
    calls += [] if isinstance(one, str) else [lambda client: client.analyze_exam(one)]
    for call in calls:
        with fake.client() as client, pytest.raises(ClientUsageError, match="put it in a list"):
            call(client)
        asyncio.run(main(call))
    assert not fake.requests
