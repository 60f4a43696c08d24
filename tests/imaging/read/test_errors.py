"""The catalogue, the exceptions made from it, and the page that explains it."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bac_terms.catalogue import CATALOGUE
from bac_terms.errors import BacctlError, ClientUsageError, FailedError, RefusedError
from bac_terms.notices import Notice

ROOT = Path(__file__).parents[3]


def test_the_page_lists_every_code_as_it_is():
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(BAC-[A-Z0-9-]+)` \| (.+) \| (.+) \|$", page, re.MULTILINE)
    assert [(code, entry.meaning, entry.hint) for code, entry in CATALOGUE.items()] != []
    assert sorted(rows) == sorted((code, entry.meaning, entry.hint) for code, entry in CATALOGUE.items())
    sections = re.split(r"^## ", page, flags=re.MULTILINE)
    for status, title in (
        ("refused", "Refused"),
        ("failed", "Failed"),
        ("usage", "Wrong use"),
        ("warning", "Warnings"),
    ):
        section = next(text for text in sections if text.startswith(title))
        listed = set(re.findall(r"^\| `(BAC-[A-Z0-9-]+)`", section, re.MULTILINE))
        assert listed == {code for code, entry in CATALOGUE.items() if entry.status == status}


ROOMS = ("imaging", "sdk", "phantom", "training", "export", "model_repository", "tests")
# Codes that tests make up to see them rejected or passed on.
INVENTED = {"BAC-NO-SUCH-CODE", "BAC-INVENTED-LATER", "BAC-X"}


def codes_of(*folders: str, without: str = "") -> set[str]:
    """Collect the codes that stand in quotes or backticks in the folders' Python files."""
    found: set[str] = set()
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            if without not in path.parts:
                text = path.read_text(encoding="utf-8")
                found |= set(re.findall(r"[\"'`](BAC-[A-Z0-9]+(?:-[A-Z0-9]+)*)\b[:\"'` ]", text))
    return found


def test_every_code_mentioned_anywhere_is_in_the_catalogue():
    assert codes_of(*ROOMS) - INVENTED <= set(CATALOGUE)


def test_every_code_is_given_somewhere():
    assert set(CATALOGUE) - codes_of("imaging", "sdk", without="codes") == set()


def test_every_code_is_expected_by_a_test():
    assert set(CATALOGUE) - codes_of("tests") == set()


def test_every_code_of_an_image_has_a_test():
    assert codes_of("imaging", without="codes") - codes_of("tests/imaging", "tests/sdk") == set()


@pytest.mark.parametrize("code", CATALOGUE)
def test_entries_can_be_put_together(code):
    entry = CATALOGUE[code]
    assert re.fullmatch(r"BAC-[A-Z0-9]+(-[A-Z0-9]+)*", code)
    assert code.startswith("BAC-W-") == (entry.status == "warning")
    for text in (entry.meaning, entry.hint):
        assert text == text.strip()
        assert text
        assert not text.endswith((".", ";"))
        assert "\n" not in text
        assert "|" not in text


def test_an_error_is_one_line_that_ends_with_advice():
    error = RefusedError("BAC-VIEW-SPOT")
    assert (error.code, error.reason) == (
        "BAC-VIEW-SPOT",
        "spot compression views are not measured; send a full-field CC or MLO view",
    )
    assert str(error) == f"{error.code}: {error.reason}"
    hostile = FailedError("BAC-DECODE-FAILED", "line\r\nbreaks \x1b[31m and\0 more\u2028" + "x" * 5000)
    assert hostile.reason.startswith("line breaks [31m and more xxx")
    assert hostile.reason.isprintable()
    assert len(hostile.reason) <= 650


def test_long_findings_keep_the_advice():
    error = FailedError("BAC-INTERNAL", "x" * 5000)
    assert error.reason.endswith("; please report it with this line")


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(RefusedError("BAC-MODALITY", "the modality is CT, not MG")))
    assert isinstance(error, RefusedError)
    assert error.reason.startswith("the modality is CT, not MG; ")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (RefusedError, "BAC-DECODE-FAILED"),
        (FailedError, "BAC-MODALITY"),
        (FailedError, "BAC-CLIENT-CLOSED"),
        (ClientUsageError, "BAC-INTERNAL"),
        (BacctlError, "BAC-W-LOSSY"),
        (BacctlError, "BAC-NO-SUCH-CODE"),
        (Notice.of, "BAC-MODALITY"),
        (Notice.of, "BAC-NO-SUCH-CODE"),
    ],
)
def test_codes_belong_to_one_kind(kind, code):
    with pytest.raises(ValueError, match=code):
        kind(code)


def test_the_package_and_its_errors_are_light():
    script = (
        "import sys, bac_imaging, bac_terms.beam, bac_terms.errors, bac_terms.measured, bac_terms.notices;"
        "print(*sorted({'numpy', 'scipy', 'pydicom', 'PIL', 'skimage'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
