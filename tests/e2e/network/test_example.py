"""The Orthanc example as it stands: a study becomes stable, and results come back beside it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from .conftest import EXAMPLE, NodeProcess, Orthanc, until
from .test_dicomweb import write


def test_a_stable_study_is_measured(
    tmp_path: Path, node: Callable[..., NodeProcess], small_mammogram: Callable[..., bytes]
) -> None:
    folder = tmp_path / "example"
    shutil.copytree(EXAMPLE, folder)
    settings = json.loads((folder / "orthanc.json").read_text())
    orthanc = Orthanc(folder)
    modality = settings["DicomModalities"]["bacctl"]
    assert modality[0] == "BACCTL"
    ours = {
        name: value
        for name, value in settings.items()
        if name not in ("HttpPort", "DicomPort", "StorageDirectory", "IndexDirectory", "StableAge")
    }
    orthanc.start(
        **{
            **ours,
            "DicomModalities": {"bacctl": [*modality[:2], orthanc.node_port]},
            "LuaScripts": [str(folder / script) for script in settings["LuaScripts"]],
        }
    )
    try:
        listening = node(
            "--allow", "ORTHANC@127.0.0.1", "--to", orthanc.peer, "--objects", "sc", port=orthanc.node_port
        )
        images = write(small_mammogram, "2.25.777")
        for data in images.values():
            orthanc.add(data)
        until(lambda: len(orthanc.instances("2.25.777")) == 8)
        # The study is stable once more, now with the results: nothing is sent a second time.
        log = folder / "log"
        until(lambda: "sent 4 mammograms" in log.read_text())
        assert log.read_text().count("mammograms of study") == 1
        assert len(listening.documents()) == 1
        assert listening.end() == 0
    finally:
        orthanc.stop()
