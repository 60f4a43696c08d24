"""Where settings come from: a flag, then the environment, then bacctl.toml; and what is said of each."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bac_terms.errors import ServerUnavailableError, from_catalogue
from bacctl import Client
from bacctl.cli import main
from bacctl.cli.options import ServerOptions
from bacctl.cli.settings import find_settings

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command in an empty folder whose user has no settings; gives exit code, stdout, stderr."""
    for name in list(os.environ):
        if name.startswith("BACCTL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")

    def call(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bacctl", *map(str, args)])
        with pytest.raises(SystemExit) as left:
            main()
        code = left.value.code or 0
        assert isinstance(code, int)
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[ServerOptions]:
    """What the commands would call; nobody answers."""
    calls: list[ServerOptions] = []

    def connect(server: ServerOptions, **_: object) -> None:
        calls.append(server)
        raise ServerUnavailableError("BAC-SERVER-UNAVAILABLE", "nobody", "start a server")

    monkeypatch.setattr("bacctl.cli.connect.connect", connect)
    Path("a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return calls


def test_flag_before_environment_before_file(
    run: Run, asked: list[ServerOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("bacctl.toml").write_text('url = "file:1"\ntimeout = 30\nmax-retries = 1\n')
    run("analyze", "a.png")
    monkeypatch.setenv("BACCTL_URL", "environment:1")
    monkeypatch.setenv("BACCTL_TIMEOUT", "20.5")
    run("analyze", "a.png")
    run("analyze", "a.png", "--url", "flag:1")
    assert [(one.url, one.timeout, one.max_retries) for one in asked] == [
        ("file:1", 30.0, 1),
        ("environment:1", 20.5, 1),
        ("flag:1", 20.5, 1),
    ]


def test_the_table_of_a_command_is_nearer_than_what_holds_for_all(
    run: Run, asked: list[ServerOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("bacctl.toml").write_text(
        'url = "all:1"\n[analyze]\nurl = "own:1"\nsave = "json"\nout = "results"\n'
    )
    run("analyze", "a.png")
    assert asked[0].url == "own:1"
    # Paths are the file's, wherever the command is run.
    assert json.loads(Path("results/analysis.json").read_text())["images"][0]["status"] == "failed"
    monkeypatch.setenv("BACCTL_ANALYZE_OUT", "elsewhere")
    run("analyze", "a.png")
    assert Path("elsewhere/analysis.json").exists()


def test_what_holds_for_all_is_not_for_the_server_itself(run: Run) -> None:
    Path("bacctl.toml").write_text('url = "all:1"\ntls-cert = "client.pem"\n')
    out = run("config")[1]
    # Commands below others call servers too; serve is one, and has a certificate of its own.
    assert "export.verify.url = all:1" in out
    assert f"compare.tls-cert = {Path('client.pem').resolve()}" in out
    assert "serve.tls-cert" not in out


def test_the_file_is_looked_for_upwards_and_then_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    deep = tmp_path / "home" / "repository" / "a" / "b"
    deep.mkdir(parents=True)
    assert find_settings(deep) is None
    own = tmp_path / "home" / ".config" / "bacctl" / "bacctl.toml"
    own.parent.mkdir(parents=True)
    own.touch()
    assert find_settings(deep) == own
    (tmp_path / "bacctl.toml").touch()  # above the home folder, where others may write
    assert find_settings(deep) == own
    (tmp_path / "home" / "bacctl.toml").touch()
    assert find_settings(deep) == tmp_path / "home" / "bacctl.toml"
    (tmp_path / "home" / "repository" / ".git").mkdir()
    assert find_settings(deep) == own
    (tmp_path / "home" / "repository" / "bacctl.toml").touch()
    assert find_settings(deep) == tmp_path / "home" / "repository" / "bacctl.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert find_settings(tmp_path / "elsewhere") == tmp_path / "bacctl.toml"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tls_ca = 'x'", "tls_ca: unknown; the nearest is tls-ca"),
        ("token = 'secret'", "token: unknown; the nearest is token-file"),
        ("pixel-spacing = 0.1", "pixel-spacing: unknown; the nearest is "),
        ("[analyse]\nout = 'x'", "analyse: unknown; the nearest is analyze"),
        (
            "[analyze]\npixel_spacing = 0.1",
            "analyze.pixel_spacing: unknown; the nearest is analyze.pixel-spacing",
        ),
        ("[analyze]\njson = true", "analyze.json: unknown; the nearest is analyze."),
        ("[export.onxx]\nthreshold = 0.1", "export.onxx: unknown; the nearest is export.onnx"),
        ("analyze = 3", "analyze: is a command; put its settings below [analyze]"),
        ("[url]\nx = 1", "url: takes one value"),
        ("url = ", "Invalid value (at "),
        ("timeout = 'soon'", "Invalid value for '--timeout'"),
        ("timeout = -3", "--timeout: give seconds"),
        ("timeout = true", "timeout: takes a value, and not true or false"),
        ("[analyze]\npixel-spacing = true", "analyze.pixel-spacing: takes a value"),
    ],
)
def test_a_file_with_a_fault_is_one_line(run: Run, asked: list[ServerOptions], text: str, said: str) -> None:
    Path("bacctl.toml").write_text(text)
    code, out, err = run("analyze", "a.png")
    assert (code, out, asked) == (2, "", [])
    assert said in err
    assert len(err.splitlines()) == 1
    assert "bacctl.toml" in err or text == "timeout = -3"
    assert "secret" not in err
    # Help is wanted most when something is wrong.
    assert run("analyze", "--help")[0] == 0


def test_a_file_of_another_user_is_not_taken_unasked(
    run: Run, asked: list[ServerOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path("bacctl.toml")
    file.write_text('url = "elsewhere:1"')
    monkeypatch.setattr("bacctl.cli.settings._owner", lambda path: os.geteuid() + 1000)
    code, _, err = run("analyze", "a.png")
    assert (code, asked) == (2, [])
    assert "belongs to another user" in err
    run("--config", file, "analyze", "a.png")
    assert asked[0].url == "elsewhere:1"
    monkeypatch.delattr(os, "geteuid")  # as on Windows
    run("analyze", "a.png")
    assert asked[1].url == "elsewhere:1"


def test_a_file_that_is_named_must_be_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = run("--config", "nowhere.toml", "config")
    assert (code, err) == (2, "nowhere.toml: No such file or directory; check the settings file\n")
    Path("bacctl.toml").write_text("nonsense = 1")
    monkeypatch.setenv("BACCTL_CONFIG", os.devnull)  # no settings at all
    assert run("config") == (0, "settings file: /dev/null\n", "")


def test_config_shows_what_holds_and_whence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("bacctl.toml").write_text("[serve]\nport = 9001\n[export.onnx]\nthreshold = 0.4\n")
    monkeypatch.setenv("BACCTL_URL", "host:1")
    monkeypatch.setenv("BACCTL_TOKEN", "geheim")
    monkeypatch.setenv("BACCTL_TIMOUT", "3")
    code, out, err = run("config")
    file = Path("bacctl.toml").resolve()
    assert code == 0
    assert out.splitlines()[:2] == [f"settings file: {file}", "analyze.url = host:1  (BACCTL_URL)"]
    assert f"serve.port = 9001  ({file})" in out
    assert f"export.onnx.threshold = 0.4  ({file})" in out
    assert "serve.host" not in out
    assert "geheim" not in out + err
    assert err == "BACCTL_TIMOUT: is set and unknown; the nearest is BACCTL_TIMEOUT\n"
    document = json.loads(run("config", "--all", "--json")[1])
    assert {"command": "serve", "key": "host", "value": "127.0.0.1", "source": "default"} in document[
        "settings"
    ]
    assert {"command": "serve", "key": "port", "value": "9001", "source": "file"} in document["settings"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--tls-ca", "nowhere.pem", "--url", "h:1"), "--tls-ca nowhere.pem: there is no such file"),
        (("--tls-ca", "a.png"), "--tls-ca: is for a server that runs already"),
        (("--tls-server-name", "x"), "--tls-server-name: is for a server that runs already"),
        (("--tls-cert", "a.png", "--url", "h:1"), "give both"),
        (("--token-file", "empty", "--url", "h:1"), ""),
        (("--max-retries", "-1", "--url", "h:1"), "--max-retries"),
        (("--timeout", "0", "--url", "h:1"), "--timeout: give seconds"),
        (("--url", "http://127.0.0.1:8001", "--json"), "--url: 'http://127.0.0.1:8001' is no gRPC address"),
        (("--url", "h:1, ,i:1"), "--url: '' is no gRPC address"),
        (("--url", "grpc://h:1,grpcs://i:1"), "--url: the servers of one client all speak TLS or none does"),
    ],
)
def test_wrong_ways_to_a_server(
    run: Run, asked: list[ServerOptions], args: tuple[str, ...], said: str
) -> None:
    Path("empty").touch()
    code, out, err = run("analyze", "a.png", *args)
    if args[0] == "--token-file":  # read when it is needed
        with pytest.raises(Exception, match="holds no token"):
            asked[0].token()
        return
    assert (code, out, asked) == (2, "", [])
    assert said in err
    assert len(err.splitlines()) == 1


def test_the_token_is_in_a_file_or_the_environment(
    run: Run, asked: list[ServerOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACCTL_TOKEN", "from the environment")
    Path("token").write_text("from-the-file\n")
    run("analyze", "a.png", "--url", "h:1", "--token-file", "token")
    run("analyze", "a.png", "--url", "h:1")
    assert [one.token() for one in asked] == [Path("token"), "from the environment"]
    code, _, err = run("analyze", "a.png", "--token", "x")
    assert code == 2
    assert "No such option: --token" in err


def test_an_own_server_that_is_asked_for_wrongly_is_wrong_usage(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**given: object) -> Client:
        raise from_catalogue("BAC-CLIENT-OPTIONS", "timeout is no number", "give one")

    monkeypatch.setattr(Client, "embedded", refuse)
    Path("a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert run("analyze", "a.png") == (2, "", "timeout is no number; give one\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--tls-ca", "a.png"), "a.png: is not a certificate of an authority in PEM"),
        (
            ("--token-file", "token"),
            "a token is not sent without TLS, where anybody on the way can read it; give --tls",
        ),
        (("--token-file", "token", "--tls-ca", "a.png"), "a.png: is not a certificate"),
    ],
)
def test_a_client_that_cannot_be_made_is_wrong_usage(run: Run, args: tuple[str, ...], said: str) -> None:
    Path("a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Path("token").write_text("abc\n")
    code, out, err = run("analyze", "a.png", "--url", "host.example.org:1", *args)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1
