#!/usr/bin/env bash
# Orthanc's DICOMweb lists of studies end early: a page of a ModalitiesInStudy search is the last, and so is a limit
#
# Versions:   orthanc 1.10.1, orthanc-dicomweb 1.7 (Debian 12), pydicom 3.0.2; Python 3.11
# Expected:   limit and offset page through all matches (PS3.18 8.3.4.4): five studies in pages of two are 2, 2 and 1;
#             where a server's own limit is less than what is asked for, more pages, or a Warning header.
# Seen:       with ModalitiesInStudy=MG the second page is empty: the modality is looked for among the first limit
#             matches, and the offset skips among these. With LimitFindResults 2 in its settings three studies are all that
#             is ever listed, whatever the offset. No Warning header, status 200.
# Output:     Orthanc 1.10.1
#             no limit, every study: pages of 2, 2, 1
#             no limit, ModalitiesInStudy=MG: pages of 2
#             LimitFindResults 2, every study: pages of 2, 1
#             LimitFindResults 2, by day of study: pages of 1, 1, 1, 1, 1
# Why:        whoever walks an archive of mammograms page by page, as the standard says, measures the first page and
#             takes it for the archive.
# What to do: list without ModalitiesInStudy and choose by the answers; hold the list against the lists of its parts by
#             StudyDate, and ask for parts of these where they have more.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
plugin=/usr/share/orthanc/plugins/libOrthancDicomWeb.so
orthanc=$(PATH="$PATH:/usr/sbin" command -v Orthanc) && [ -e "$plugin" ] ||
  { echo "CANNOT RUN: apt-get install orthanc orthanc-dicomweb" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check pydicom==3.0.2 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
venv/bin/python - "$orthanc" "$plugin" <<'PY'
import io
import json
import socket
import subprocess
import sys
import tempfile
import time
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from pydicom.dataset import Dataset, FileMetaDataset

ORTHANC, PLUGIN = sys.argv[1:]


def mammogram(number):
    """Write an image of a study of its own, a day after the one before."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    image.SOPClassUID, image.Modality = "1.2.840.10008.5.1.4.1.1.1.2", "MG"
    image.StudyInstanceUID, image.SeriesInstanceUID = f"2.25.{number}", f"2.25.{number}.1"
    image.SOPInstanceUID, image.PatientID, image.StudyDate = f"2.25.{number}.1.1", "P", f"2024010{number}"
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Archive:
    """An Orthanc with five studies."""

    def __init__(self, **settings):
        self.folder = tempfile.mkdtemp(dir=".")
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        document = {"StorageDirectory": self.folder, "IndexDirectory": self.folder, "HttpPort": port}
        document |= {"DicomPort": free_port(), "RemoteAccessAllowed": False, "AuthenticationEnabled": False}
        document |= {"Plugins": [PLUGIN], "DicomWeb": {"Enable": True}, **settings}
        with open(f"{self.folder}/orthanc.json", "w") as file:
            json.dump(document, file)
        self.process = subprocess.Popen(
            [ORTHANC, f"{self.folder}/orthanc.json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def __enter__(self):
        for _ in range(600):
            try:
                self.version = json.load(urlopen(f"{self.url}/system"))["Version"]
                break
            except OSError:
                time.sleep(0.2)
        for number in range(1, 6):
            urlopen(Request(f"{self.url}/instances", data=mammogram(number), method="POST"))
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def pages(self, **search):
        """Ask for pages of two until one is empty; return how many each had."""
        sizes, offset = [], 0
        while True:
            asked = urlencode({**search, "limit": 2, "offset": offset})
            answer = urlopen(Request(f"{self.url}/dicom-web/studies?{asked}", headers={"Accept": "application/dicom+json"}))
            rows = json.load(answer)
            if not rows:
                return sizes
            sizes.append(len(rows))
            offset += len(rows)


found = {}
with Archive() as archive:
    print("Orthanc", archive.version)
    found["no limit, every study"] = archive.pages()
    found["no limit, ModalitiesInStudy=MG"] = archive.pages(ModalitiesInStudy="MG")
with Archive(LimitFindResults=2) as archive:
    found["LimitFindResults 2, every study"] = archive.pages()
    days = [archive.pages(StudyDate=f"2024010{day}-2024010{day}") for day in range(1, 6)]
    found["LimitFindResults 2, by day of study"] = [size for day in days for size in day]
for name, sizes in found.items():
    print(f"{name}: pages of {', '.join(map(str, sizes))}")
stated = [[2, 2, 1], [2], [2, 1], [1, 1, 1, 1, 1]]
if list(found.values()) != stated:
    sys.exit("CHANGED: the lists are not as stated")
print("AS STATED")
PY
