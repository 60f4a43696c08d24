"""``bacctl compare`` with a client that is not real: what is compared, exit codes, streams."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from types import TracebackType

import jsonschema
import pytest

from bac_terms.errors import ServerUnavailableError
from bacctl.cli import main
from bacctl.exam.build import build_exams
from bacctl.outputs.document import analysis_document, document_text
from bacctl.results import ImageResult

Run = Callable[..., tuple[int, str, str]]
SERVER = {"model": "ab" * 32, "triton": "2.51.0"}


def measured(path: Path) -> ImageResult:
    """Read what the file says was measured: side, view, study and mass."""
    words = path.read_text().split()
    if words[1] == "refused":
        return ImageResult("refused", "BAC-VIEW-SPOT", "a spot view; send another", path=path)
    if words[1] == "failed":
        return ImageResult("failed", "BAC-SERVER-TIMEOUT", "too late; try again", path=path)
    side, view, study, mass = words[1:]
    return ImageResult(
        "ok",
        laterality="L" if side == "L" else "R",
        view=view,
        study_instance_uid=study,
        rows=1,
        columns=1,
        bac_detected=True,
        bac_probability=0.9,
        calcium_mass_mg=float(mass),
        calcium_mass_interval_mg=(0.9 * float(mass), 1.1 * float(mass)),
        mass_basis="calibrated",
        area_mm2=float(mass),
        weights_sha256=SERVER["model"],
        path=path,
    )


class FakeClient:
    def __init__(self) -> None:
        self.runs = 0
        self.points: list[float | None] = []
        self.talks = False

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def server_info(self, **_: object) -> dict[str, str]:
        return SERVER

    def analyze_many(
        self,
        sources: Sequence[Path],
        pixel_spacing_mm: object = None,
        *,
        min_probability: float | None = None,
        ordered: bool = False,
    ) -> Iterator[ImageResult]:
        self.points.append(min_probability)
        self.runs += 1
        if self.talks:
            os.write(1, b"a library talks to file descriptor 1\n")
        for path in sources:
            if path.stem == "interrupt":
                raise KeyboardInterrupt
            yield measured(path)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = FakeClient()
    monkeypatch.setattr("bacctl.cli.connect.connect", lambda server, **_: fake)
    return fake


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command in the test's folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BACCTL_URL", raising=False)

    def call(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bacctl", "compare", *map(str, args)])
        with pytest.raises(SystemExit) as left:
            main()
        code = left.value.code or 0
        assert isinstance(code, int)
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call


def folder(name: str, *images: str) -> Path:
    """Write files that are named like images and say what a server would find."""
    path = Path(name)
    path.mkdir(parents=True)
    for number, image in enumerate(images):
        (path / f"{number}.dcm").write_text(f"measured {image}")
    return path


def exam(name: str, study: str, mass: float) -> Path:
    return folder(name, *(f"{side} {view} {study} {mass}" for side in "LR" for view in ("CC", "MLO")))


def saved(name: str, *folders: Path) -> Path:
    images = [measured(path) for each in folders for path in sorted(each.iterdir())]
    Path(name).write_text(
        document_text(analysis_document(images, build_exams(images), skipped=0, server=SERVER))
    )
    return Path(name)


def test_two_folders_in_one_run_of_the_server(client: FakeClient, run: Run) -> None:
    code, out, err = run(exam("prior", "1", 10.0), exam("current", "2", 40.0))
    assert (code, err, client.runs) == (0, "", 1)
    assert "progressed" in out
    assert "category 0-20 mg, then 60-80 mg" in out
    assert "esearch use only" in out
    assert sorted(os.listdir()) == ["current", "prior"]


def test_document_alone_on_stdout(client: FakeClient, run: Run) -> None:
    client.talks = True
    code, out, _ = run(exam("prior", "1", 10.0), exam("current", "2", 10.5), "--json")
    document = json.loads(out)
    jsonschema.validate(
        document, json.loads(files("bacctl").joinpath("schema/comparison-1.json").read_text())
    )
    assert code == 0
    assert document["calcium_mass_mg"]["verdict"] == "within_limit"
    assert document["prior"]["software"]["model"] == SERVER["model"]


def test_saved_results_need_no_server(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(server: object) -> None:
        raise ServerUnavailableError("BAC-SERVER-UNAVAILABLE", "must not be called")

    monkeypatch.setattr("bacctl.cli.connect.connect", refuse)
    prior, current = saved("a.json", exam("prior", "1", 10.0)), saved("b.json", exam("current", "2", 40.0))
    code, out, err = run(prior, current, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["calcium_mass_mg"]["difference"] == 60.0


def test_folder_against_saved_result(client: FakeClient, run: Run) -> None:
    prior = saved("a.json", exam("prior", "1", 10.0))
    code, out, _ = run(prior, exam("current", "2", 40.0), "--json")
    assert code == 0
    assert json.loads(out)["breasts"]["L"]["calcium_mass_mg"]["verdict"] == "progressed"


def test_refused_image_costs_the_exit_code(client: FakeClient, run: Run) -> None:
    prior = exam("prior", "1", 10.0)
    (prior / "z.dcm").write_text("measured refused")
    code, out, err = run(prior, exam("current", "2", 10.0))
    assert code == 1
    assert "within the limit" in out
    assert "BAC-W-COMPARE-LEFT-OUT" in out
    assert err == "prior/z.dcm: BAC-VIEW-SPOT: a spot view; send another\n"


def test_failed_image_leaves_no_verdict(client: FakeClient, run: Run) -> None:
    prior = exam("prior", "1", 10.0)
    (prior / "z.dcm").write_text("measured failed")
    exam("current", "2", 40.0)
    code, out, err = run(prior, "current")
    assert (code, out) == (1, "")
    first, last = err.splitlines()
    assert first == "prior/z.dcm: BAC-SERVER-TIMEOUT: too late; try again"
    assert last.startswith("BAC-COMPARE-FAILED: the prior exam: an image of one of the exams could not be")
    code, out, err = run(saved("a.json", prior), "current")
    assert (code, out) == (1, "")
    assert err.startswith("BAC-COMPARE-FAILED: the prior exam: ")


def test_missing_views_and_what_was_not_checked_are_told(client: FakeClient, run: Run) -> None:
    current = folder("current", *(f"{side} MLO 2 10" for side in "LR"))
    _, out, _ = run(exam("prior", "1", 10.0), current)
    assert "current exam: no LCC, RCC that counts\n" in out
    assert "prior exam: no" not in out
    assert "BAC-W-COMPARE-UNCHECKED: " in out
    assert "missed or wrongly outlined is not in it" in out


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        ("nowhere", "there is no such file or folder"),
        ("current", "was given twice"),
        ("empty", "holds no image"),
        ("results", "give results/analysis.json itself"),
        ("current/0.dcm", "is one image; give the folder"),
    ],
)
def test_wrong_usage(client: FakeClient, run: Run, prior: str, words: str) -> None:
    exam("current", "2", 10.0)
    folder("empty")
    folder("results")
    Path("results/analysis.json").write_text("{}")
    code, out, err = run(prior, "current")
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_several_studies_are_named_and_not_paired(client: FakeClient, run: Run) -> None:
    prior = folder("prior", "L CC 1.5 3", "R CC 1.7 3")
    code, out, err = run(prior, exam("current", "2", 10.0))
    assert (code, out) == (1, "")
    assert err.startswith("BAC-COMPARE-EXAM: prior: holds 2 studies (1.5, 1.7); give one exam's folder")
    several = saved("several.json", Path("prior"))
    code, out, err = run(several, "current")
    assert (code, out) == (1, "")
    assert "several.json: holds 2 studies (1.5, 1.7)" in err


def test_one_study_twice(client: FakeClient, run: Run) -> None:
    code, out, err = run(exam("prior", "1", 10.0), exam("copy", "1", 10.0))
    assert (code, out) == (1, "")
    assert err.startswith("BAC-COMPARE-SAME: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no JSON", "is no result of `bacctl analyze`"),
        ("[]", "is no result of `bacctl analyze`"),
        ('{"schema": "bacctl.analysis/9"}', "is no result of `bacctl analyze`"),
        ('{"schema": "bacctl.analysis/1"}', "is damaged or of another release"),
        ('{"schema": "bacctl.analysis/1", "software": {}, "exams": [{"breasts": 1}]}', "is damaged"),
        (
            '{"schema": "bacctl.analysis/1", "software": {}, "exams": [], "images": []}',
            "no image in it names a study",
        ),
        ('{"schema": "bacctl.analysis/1", "software": NaN}', "is no result of `bacctl analyze`"),
        ("[" * 100_000, "is no result of `bacctl analyze`"),
    ],
)
def test_what_is_no_saved_result(run: Run, text: str, words: str) -> None:
    Path("a.json").write_text(text)
    Path("b.json").write_text("{}")
    code, out, err = run("a.json", "b.json")
    assert (code, out) == (1, "")
    assert f"BAC-COMPARE-EXAM: a.json: {words}" in err


_VIEW = ("breasts", "L", "by_view", "CC")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((*_VIEW, "calcium_mass_mg"), -50.0),
        ((*_VIEW, "calcium_mass_mg"), 1e999),
        ((*_VIEW, "calcium_mass_mg"), 10**400),
        ((*_VIEW, "calcium_mass_mg"), True),
        ((*_VIEW, "calcium_mass_mg"), "10"),
        ((*_VIEW, "calcium_mass_mg"), None),
        ((*_VIEW, "calcium_mass_interval_mg"), "12"),
        ((*_VIEW, "calcium_mass_interval_mg"), [12.0, 9.0]),
        ((*_VIEW, "calcium_mass_interval_mg"), [9.0]),
        ((*_VIEW, "mass_basis"), "certain"),
        ((*_VIEW, "bac_detected"), 1),
        ((*_VIEW, "vessel_count"), 1.5),
        ((*_VIEW, "vessel_count"), -1),
        ((*_VIEW, "sop_instance_uids"), ["DOE^JANE"]),
        (_VIEW, [1]),
        (("breasts", "L", "by_view", "banana"), {}),
        (("breasts", "L", "views"), ["CC"]),
        (("breasts", "L", "mass_views"), ["CC"]),
        (("breasts", "L", "bac_detected"), "yes"),
        (("breasts", "L"), None),
        (("complete",), "false"),
        (("study_instance_uid",), ["DOE^JANE"]),
        (("study_instance_uid",), "DOE^JANE"),
        (("mass_category",), "[/bold]"),
        (("area_class",), 0),
        (("csbi_grade",), 1),
        (("csbi_grade",), False),
        (("category_probabilities",), {"0-20": "all"}),
        (("missing_views",), ["LXCC"]),
        (("missing_views",), "LCC"),
        (("alarms",), [{"code": "DOE^JANE", "text": "."}]),
        (("files",), ["DOE^JANE"]),
    ],
)
def test_damaged_exam_is_refused_and_not_passed_on(run: Run, place: tuple[str, ...], value: object) -> None:
    prior = saved("a.json", exam("prior", "1", 10.0))
    document = json.loads(prior.read_text())
    target = document["exams"][0]
    for name in place[:-1]:
        target = target[name]
    target[place[-1]] = value
    # json writes 1e999 as what is no JSON, and so as it stands here.
    prior.write_text(json.dumps(document).replace("Infinity", "1e999"))
    code, out, err = run(prior, saved("b.json", exam("current", "2", 10.0)), "--json")
    assert (code, out) == (1, "")
    assert err == "BAC-COMPARE-EXAM: a.json: is damaged or of another release; analyse its images again\n"


@pytest.mark.parametrize(("name", "value"), [("model", "DOE^JANE"), ("bacctl", 1)])
def test_damaged_software_is_refused(run: Run, name: str, value: object) -> None:
    prior = saved("a.json", exam("prior", "1", 10.0))
    document = json.loads(prior.read_text())
    document["software"][name] = value
    prior.write_text(json.dumps(document))
    assert run(prior, saved("b.json", exam("current", "2", 10.0)))[0] == 1


@pytest.mark.parametrize(
    ("name", "value"), [("software", None), ("images", {}), ("images", ""), ("images", None), ("exams", {})]
)
def test_parts_of_a_document_that_are_of_another_kind(run: Run, name: str, value: object) -> None:
    prior = saved("a.json", exam("prior", "1", 10.0))
    prior.write_text(json.dumps({**json.loads(prior.read_text()), name: value}))
    code, out, err = run(prior, saved("b.json", exam("current", "2", 10.0)))
    assert (code, out) == (1, "")
    assert err == "BAC-COMPARE-EXAM: a.json: is damaged or of another release; analyse its images again\n"


def test_text_of_a_saved_alarm_is_no_markup(run: Run) -> None:
    prior = saved("a.json", exam("prior", "1", 10.0))
    document = json.loads(prior.read_text())
    document["exams"][0]["alarms"] = [{"code": "BAC-W-ONE-VIEW", "text": "[/bold]\x1b[2J"}]
    prior.write_text(json.dumps(document))
    code, out, _ = run(prior, saved("b.json", exam("current", "2", 10.0)))
    assert code == 0
    assert "BAC-W-ONE-VIEW: [/bold]\\x1b[2J" in out


def test_nothing_analysed_in_one_folder(client: FakeClient, run: Run) -> None:
    code, out, err = run(folder("prior", "refused"), exam("current", "2", 10.0))
    assert (code, out) == (1, "")
    assert "prior: none of its images was analysed" in err


def test_interrupted(client: FakeClient, run: Run) -> None:
    prior = exam("prior", "1", 10.0)
    (prior / "interrupt.dcm").write_text("x")
    assert run(prior, exam("current", "2", 10.0)) == (130, "", "stopped\n")


def test_the_operating_point_is_that_of_all_folders(client: FakeClient, run: Run) -> None:
    folder("prior", *(f"L {view} 1 5" for view in ("CC", "MLO")))
    folder("current", *(f"L {view} 2 5" for view in ("CC", "MLO")))
    assert run("prior", "current", "--min-probability", "0.25")[0] == 0
    assert client.points == [0.25]
    code, out, err = run("prior", "current", "--min-probability", "2")
    assert (code, out) == (2, "")
    assert err == "BAC-OPTIONS-INVALID: --min-probability: give a number from 0 to 1, such as 0.5\n"
