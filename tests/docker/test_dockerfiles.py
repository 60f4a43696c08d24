"""The Dockerfiles: what they copy exists, what they take is pinned, and who they run as."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
REQUIREMENTS = sorted((DOCKER / "requirements").glob("*.txt"))


@pytest.fixture(params=DOCKERFILES, ids=lambda path: path.stem)
def dockerfile(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_every_source_of_a_copy_reaches_the_build(dockerfile: Path, dockerfiles: ModuleType) -> None:
    for step in dockerfiles.parse(dockerfile.read_text()):
        if step.name == "COPY" and "from" not in step.flags:
            for source in step.words[:-1]:
                assert dockerfiles.context_files(ROOT, source), f"line {step.line}: {source}"


def test_the_build_gets_no_more_than_it_needs(dockerfiles: ModuleType) -> None:
    rules = dockerfiles.ignore_rules(ROOT)
    for name in ("tests/conftest.py", "training/weights/bac_segment.pt", "runs/x", ".git/config", "Makefile"):
        assert dockerfiles.ignored(Path(name), rules), name
    version = "model_repository/bac_segment/1"
    for name in ("model.plan", "model.plan.json", "model.plan.timing", "model_voted.int8.onnx"):
        assert dockerfiles.ignored(Path(version, name), rules), name
    for name in ("model.onnx", "model_voted.onnx"):
        assert not dockerfiles.ignored(Path(version, name), rules), name
    for name in ("sdk/bacctl/cli/__pycache__/app.pyc", "imaging/__pycache__/x.pyc", "docker/compose.yaml"):
        assert dockerfiles.ignored(Path(name), rules), name
    for name in ("sdk/bacctl/cli/app.py", "pyproject.toml", "docker/requirements/cpu.txt", "LICENSE"):
        assert not dockerfiles.ignored(Path(name), rules), name


def test_base_images_are_pinned(dockerfile: Path, dockerfiles: ModuleType) -> None:
    steps = dockerfiles.parse(dockerfile.read_text())
    values = dict(step.text.split("=", 1) for step in steps if step.name == "ARG")
    stages = set()
    for step in steps:
        if step.name == "FROM":
            image, *alias = dockerfiles.expand(step.text, values).split()
            assert image in stages or re.search(r":[\w.-]*\d+\.\d+[\w.-]*$", image), step.text
            stages.update(alias[1:])


def test_triton_is_no_older_than_its_security_fixes() -> None:
    text = (DOCKER / "server.Dockerfile").read_text()
    tag = re.search(r"tritonserver:(\d+)\.(\d+)-py3$", text, re.MULTILINE)
    floor = re.search(r"^# (\d+)\.(\d+) is the oldest release", text, re.MULTILINE)
    assert tag is not None
    assert floor is not None
    # The release that NVIDIA's bulletin of September 2026 names for CVE-2026-16497.
    assert (int(tag[1]), int(tag[2])) >= (int(floor[1]), int(floor[2])) >= (26, 7)


def test_nobody_runs_as_root(dockerfile: Path, dockerfiles: ModuleType) -> None:
    users = [step.text for step in dockerfiles.parse(dockerfile.read_text()) if step.name == "USER"]
    assert users[-1:] == ["1000:1000"]


def test_every_output_says_research_use(dockerfile: Path) -> None:
    description = re.search(r'image.description="(.*)"', dockerfile.read_text())
    assert description is not None
    assert "Research use only" in description[1]


@pytest.mark.parametrize("name", ["cpu", "server"])
def test_health_is_asked_of_the_models(name: str, dockerfiles: ModuleType) -> None:
    steps = dockerfiles.parse((DOCKER / f"{name}.Dockerfile").read_text())
    (health,) = [step.text for step in steps if step.name == "HEALTHCHECK"]
    assert health.endswith('CMD ["python3", "/opt/bacctl/healthcheck.py"]')


PIN = re.compile(r"([a-z0-9-]+)==([\w.]+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n")


def pins(name: str) -> dict[str, str]:
    """Read the versions of a lock by package."""
    return {found[1]: found[2] for found in PIN.finditer((DOCKER / "requirements" / name).read_text())}


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.stem)
def test_requirements_are_pinned_with_digests(path: Path) -> None:
    # Nothing but packages with their version and the digests of their files: pip then takes no others.
    assert pins(path.name)
    assert PIN.sub("", path.read_text()) == ""


@pytest.mark.parametrize(
    ("name", "extras"), [("cpu", ["dicom", "server"]), ("sdk", ["dicom"]), ("server", ["dicom"])]
)
def test_pins_hold_what_the_project_asks_for(name: str, extras: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(text) for text in project["dependencies"]]
    for extra in extras:
        wanted += [Requirement(text) for text in project["optional-dependencies"][extra]]
    if name == "server":
        text = (DOCKER / "requirements" / "server.in").read_text()
        wanted += [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]
    locked = pins(f"{name}.txt")
    for requirement in wanted:
        if requirement.name != "bacctl" and (requirement.marker is None or requirement.marker.evaluate()):
            found = locked.get(canonicalize_name(requirement.name))
            assert found is not None, f"{requirement.name} is missing: run make pins"
            assert requirement.specifier.contains(found), f"{requirement} and not {found}: run make pins"


def test_server_image_has_what_the_embedded_server_has() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {canonicalize_name(Requirement(text).name) for text in extras["server"]}
    assert names - set(pins("server.txt")) == {"bacctl", "nvidia-pytriton"}


def test_what_ubuntu_packages_is_taken_out_of_the_lock_with_its_digests(
    dockerfiles: ModuleType, tmp_path: Path
) -> None:
    steps = dockerfiles.parse((DOCKER / "server.Dockerfile").read_text())
    (step,) = [step.text for step in steps if step.name == "RUN" and "ubuntu.txt" in step.text]
    lock = DOCKER / "requirements" / "server.txt"
    first, second = list(pins("server.txt"))[1:3]
    # As in the image, but for pip, which here only says what Ubuntu has.
    pip = tmp_path / "pip"
    pip.write_text(f'#!/bin/sh\n[ "$1" = list ] && printf "{first}==1\\n{second.upper()}==2\\n"; exit 0\n')
    pip.chmod(0o755)
    shutil.copy(lock, tmp_path)
    script = step.replace("/tmp/requirements", str(tmp_path))
    path = f"{tmp_path}:/usr/bin:/bin"
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], check=True, env={"PATH": path})
    taken = (tmp_path / "ubuntu.txt").read_text()
    assert taken == "".join(
        found[0] for found in PIN.finditer(lock.read_text()) if found[1] in (first, second)
    )


def test_compose_pins_images_and_publishes_on_loopback_only() -> None:
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    assert {"server", "server-cpu", "prometheus", "grafana", "orthanc"} == set(services)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name, service in services.items():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        if "build" in service:
            assert service["image"].endswith(f":{version}")
            assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
            assert service["read_only"]
            assert service["shm_size"] == ("2g" if name == "server" else "1g")
        for volume in service.get("volumes", []):
            if volume.startswith("."):
                assert (DOCKER / volume.split(":")[0]).exists()


def test_hadolint(dockerfile: Path) -> None:
    tool = shutil.which("hadolint")
    if tool is None:
        pytest.skip("hadolint is not installed")
    subprocess.run([tool, "--config", DOCKER / "hadolint.yaml", dockerfile], check=True)


def test_compose_config() -> None:
    for command in (["docker", "compose"], ["docker-compose"]):
        if (
            shutil.which(command[0])
            and subprocess.run([*command, "version"], capture_output=True).returncode == 0
        ):
            break
    else:
        pytest.skip("docker compose is not installed")
    profiles = [word for name in ("gpu", "cpu", "orthanc") for word in ("--profile", name)]
    call = [*command, "-f", str(DOCKER / "compose.yaml"), *profiles, "config", "-q"]
    environment = {"PATH": "/usr/bin:/usr/local/bin", "DEPLOY_PASSWORD": "secret"}
    subprocess.run(call, check=True, env=environment)


def test_reads_a_dockerfile(dockerfiles: ModuleType) -> None:
    text = (
        "ARG A=1\nFROM a:${A} AS b\n# no\nRUN one \\\n    # within\n    && two\n"
        "COPY --from=b --chmod=755 x /y\n"
    )
    steps = dockerfiles.parse(text)
    assert [(s.line, s.name, s.flags, s.text) for s in steps] == [
        (1, "ARG", {}, "A=1"),
        (2, "FROM", {}, "a:${A} AS b"),
        (4, "RUN", {}, "one && two"),
        (7, "COPY", {"from": "b", "chmod": "755"}, "x /y"),
    ]
    assert dockerfiles.expand(steps[1].text, {"A": "1"}) == "a:1 AS b"
