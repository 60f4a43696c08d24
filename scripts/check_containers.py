"""Carry out a Dockerfile without a container engine: every step, in a root folder of its own.

A machine without Docker can still find out whether the steps of a Dockerfile work. Each stage is a copy of a
root folder (one that ``debootstrap`` made), RUN is a shell under ``chroot`` in namespaces of its own, COPY
honours .dockerignore. With --serve the result is started as the user of the image, and its health check has
to pass. Not an image builder: layers, caches and what an engine isolates are not there.

    debootstrap --variant=minbase bookworm /srv/base
    python scripts/check_containers.py docker/cpu.Dockerfile --base debian=/srv/base --work /srv/work --serve

Needs root, and gigabytes in the work folder. Research use only.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from dockerfile import Step, context_files, expand, parse

REPOSITORY = Path(__file__).resolve().parents[1]
_HEALTH_ATTEMPTS = 40
_GRACE_S = 30.0


@dataclass
class Stage:
    """One stage while it is carried out."""

    root: Path
    base: str
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "0:0"
    command: list[str] = field(default_factory=list)
    entry: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


def carry_out(
    steps: list[Step], bases: dict[str, Path], work: Path, outside: Outside, until: str | None = None
) -> Stage:
    """Carry out the steps and return the last stage.

    Parameters
    ----------
    steps : list of Step
        Of `parse`.
    bases : dict of str to Path
        Root folders by the beginning of the image's name.
    work : Path
        The stages' roots are made here.
    outside : Outside
        What of this machine the steps get to see.
    until : str, optional
        Stage after which to stop.

    Raises
    ------
    SystemExit
        A step failed, or an image has no root folder.
    """
    stages: dict[str, Stage] = {}
    globals_: dict[str, str] = {}
    stage: Stage | None = None
    name = ""
    for step in steps:
        if step.name == "FROM":
            if stage is not None and name == until:
                break
            image, *rest = expand(step.text, globals_).split()
            name = rest[1] if rest else str(len(stages))
            stage = stages[name] = _begin(image, stages, bases, work / f"stage-{len(stages)}")
        elif stage is None:
            key, _, value = step.text.partition("=")
            globals_[key] = value
        else:
            print(f"{step.line:4d} {step.name} {step.text[:100]}", flush=True)
            _do(step, stage, stages, outside)
    if stage is None:
        raise SystemExit("there is no FROM")
    return stage


def _begin(image: str, stages: dict[str, Stage], bases: dict[str, Path], root: Path) -> Stage:
    source = stages[image].root if image in stages else None
    for prefix, folder in bases.items():
        source = source or (folder if image.startswith(prefix) else None)
    if source is None:
        raise SystemExit(f"no root folder stands for {image}; give one with --base NAME=FOLDER")
    print(f"FROM {image} ({source})", flush=True)
    _copy_tree(source, root)
    before = stages.get(image)
    return Stage(root, image, dict(before.environment) if before else {})


def _copy_tree(source: Path, target: Path) -> None:
    # Devices, owners and links as they are, which shutil does not do.
    subprocess.run(["/bin/cp", "-a", str(source), str(target)], check=True)  # noqa: S603  # fixed words


def _do(step: Step, stage: Stage, stages: dict[str, Stage], outside: Outside) -> None:
    if step.name == "RUN":
        outside.run(stage, ["/bin/sh", "-c", step.text])
    elif step.name == "COPY":
        _copy(step, stage, stages)
    elif step.name == "ENV":
        stage.environment |= dict(word.split("=", 1) for word in step.words)
    elif step.name == "WORKDIR":
        stage.folder = step.text
        (stage.root / step.text.lstrip("/")).mkdir(parents=True, exist_ok=True)
    elif step.name == "USER":
        stage.user = step.text
    elif step.name == "CMD":
        stage.command = step.words
    elif step.name == "ENTRYPOINT":
        stage.entry = step.words
    elif step.name == "HEALTHCHECK":
        stage.health = json.loads(step.text[step.text.index("[") :])
    elif step.name not in ("LABEL", "EXPOSE", "VOLUME", "ARG", "SHELL"):
        raise SystemExit(f"line {step.line}: {step.name} is not known here")


def _copy(step: Step, stage: Stage, stages: dict[str, Stage]) -> None:
    *sources, target = step.words
    into = stage.root / str(Path(stage.folder, target)).lstrip("/")
    for source in sources:
        if "from" in step.flags:
            root = stages[step.flags["from"]].root
            whole = root / source.lstrip("/")
            into.parent.mkdir(parents=True, exist_ok=True)
            _copy_tree(whole, into)
            continue
        files = context_files(REPOSITORY, source)
        if not files:
            raise SystemExit(f"line {step.line}: the build context has no {source}")
        for file in files:
            inner = file.relative_to(source) if (REPOSITORY / source).is_dir() else Path(file.name)
            as_file = (REPOSITORY / source).is_file() and len(sources) == 1 and not target.endswith("/")
            destination = into if as_file and target != "." and target != "./" else into / inner
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / file, destination)


@dataclass(frozen=True)
class Outside:
    """What of this machine the steps get: variables, and copies of files under /run/outside.

    Nothing of this machine is mounted into the roots, since package scripts write where they like.
    """

    environment: dict[str, str]
    files: list[Path]

    def start(self, stage: Stage, command: list[str], sealed: bool = False) -> subprocess.Popen[bytes]:
        """Start a command under the root of a stage, as its user.

        It gets namespaces of its own, so that nothing stays mounted or running after it, and a /dev of its
        own, with as much shared memory as the images ask for. `sealed` is ``--read-only --tmpfs /tmp``.
        """
        inside = stage.root / "run" / "outside"
        inside.mkdir(parents=True, exist_ok=True)
        for file in self.files:
            shutil.copy(file, inside)
        shutil.copy("/etc/resolv.conf", stage.root / "etc" / "resolv.conf")
        root = shlex.quote(str(stage.root))
        mounts = []
        if sealed:
            scratch = f"{root}/tmp"  # noqa: S108  # within the root that is checked
            mounts += [f"mount --bind {root} {root}", f"mount -o remount,ro,bind {root}"]
            mounts += [f"mount -t tmpfs -o mode=1777,noexec,nosuid none {scratch}"]
        mounts += [f"mount -t proc none {root}/proc", f"mount -t tmpfs none {root}/dev"]
        for device in ("null", "zero", "full", "random", "urandom", "tty"):
            mounts.append(f"touch {root}/dev/{device} && mount --bind /dev/{device} {root}/dev/{device}")
        memory = f"{root}/dev/shm"  # noqa: S108  # likewise
        mounts += [f"mkdir {memory}", f"mount -t tmpfs -o size=1g,mode=1777 none {memory}"]
        variables = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp"}  # noqa: S108  # likewise
        variables |= stage.environment | self.environment
        setting = [f"{name}={value}" for name, value in variables.items()]
        inner = ["env", "-i", f"--chdir={stage.folder}", *setting, *command]
        enter = ["exec", "chroot", f"--userspec={stage.user}", str(stage.root), *inner]
        script = " && ".join([*mounts, shlex.join(enter)])
        namespaces = ["unshare", "--mount", "--pid", "--fork"]
        return subprocess.Popen([*namespaces, "sh", "-c", script])  # noqa: S603  # the Dockerfile's

    def run(self, stage: Stage, command: list[str]) -> None:
        """Run a command to its end; SystemExit when it fails."""
        status = self.start(stage, command).wait()
        if status:
            raise SystemExit(f"failed with {status}: {shlex.join(command)[:300]}")


def serve(stage: Stage, outside: Outside) -> None:
    """Start the image's command, wait until its health check passes, stop it.

    Raises
    ------
    SystemExit
        It ended by itself or never became healthy.
    """
    server = outside.start(stage, [*stage.entry, *stage.command], sealed=True)
    try:
        for _ in range(_HEALTH_ATTEMPTS):
            time.sleep(3.0)
            if server.poll() is not None:
                raise SystemExit(f"the command ended with {server.returncode}")
            if outside.start(stage, stage.health, sealed=True).wait() == 0:
                print("healthy", flush=True)
                return
        raise SystemExit("never became healthy")
    finally:
        _stop(server)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End it as an engine does: SIGTERM to its first process, and SIGKILL to what does not end."""
    # What was started is `unshare`, which lets no SIGTERM through. Its child is the first process of the
    # namespace, with which all others end.
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    for number in (signal.SIGTERM, signal.SIGKILL):
        for child in children:
            os.kill(int(child), number)
        try:
            print(f"ended with {server.wait(_GRACE_S)}", flush=True)
            return
        except subprocess.TimeoutExpired:
            print("does not end", flush=True)


def main() -> None:
    """Carry out one Dockerfile."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("dockerfile", type=Path)
    parser.add_argument("--base", action="append", default=[], metavar="IMAGE=FOLDER")
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER", help="new or empty")
    parser.add_argument("--until", metavar="STAGE")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--file", action="append", default=[], type=Path, help="copied to /run/outside")
    parser.add_argument("--serve", action="store_true", help="start it and wait for its health check")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    outside = Outside(dict(pair.split("=", 1) for pair in options.env), options.file)
    bases = {name: Path(folder) for name, folder in (pair.split("=", 1) for pair in options.base)}
    steps = parse(options.dockerfile.read_text())
    stage = carry_out(steps, bases, options.work, outside, options.until)
    if options.serve:
        serve(stage, outside)
    print(f"{options.dockerfile}: every step worked; the last stage is {stage.root}")


if __name__ == "__main__":
    main()
