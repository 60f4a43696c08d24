#!/usr/bin/env bash
# dicomweb-client stores an object made in memory as something that is no DICOM file
#
# Versions:   dicomweb-client 0.61.2, pydicom 3.0.2; Python 3.11
# Expected:   store_instances sends PS3.10 files: 128 bytes of preamble, "DICM", meta information, data set. The Host
#             header names host and port, as the address does.
# Seen:       preamble and prefix are there only where the data set was read from a file or was given a preamble. One
#             that was made here, with complete meta information, is sent from (0002,0000) on, without a warning.
#             The Host header lacks the port, so that a server which builds its answers' URLs from it leads elsewhere.
# Output:     made in memory: "DICM" at byte -1, body starts with 02 00 02 00
#             with ds.preamble set: "DICM" at byte 128, body starts with 00 00 00 00
#             address 127.0.0.1 with a port, Host header 127.0.0.1
# Why:        results (report, segmentation, map) are made in memory, images are read from files: sending images works
#             in every test and sending results depends on how forgiving the archive is.
# What to do: ds.preamble = b"\0" * 128 before store_instances; behind a proxy set the public address in the server.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check dicomweb-client==0.61.2 pydicom==3.0.2 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
venv/bin/python - <<'PY'
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, Comprehensive3DSRStorage, ExplicitVRLittleEndian, generate_uid

received = []


class Archive(BaseHTTPRequestHandler):
    """Keeps what is stored and answers that all went well."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        received.append((self.headers["Host"], body.split(b"\r\n\r\n", 1)[1]))
        self.send_response(200)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        """Nothing."""


server = HTTPServer(("127.0.0.1", 0), Archive)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = DICOMwebClient(f"http://127.0.0.1:{server.server_port}")
report = Dataset()
report.file_meta = FileMetaDataset()
report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
report.file_meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = Comprehensive3DSRStorage
report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = generate_uid()
report.StudyInstanceUID, report.SeriesInstanceUID = generate_uid(), generate_uid()
report.Modality = "SR"
report.PatientName = report.PatientID = ""
places = []
for name, preamble in (("made in memory", None), ("with ds.preamble set", bytes(128))):
    if preamble:
        report.preamble = preamble
    client.store_instances([report])
    host, body = received[-1]
    places.append(body[:200].find(b"DICM"))
    print(f'{name}: "DICM" at byte {places[-1]}, body starts with {body[:4].hex(" ")}')
print(f"address 127.0.0.1 with a port, Host header {host}")
server.shutdown()
if places != [-1, 128] or host != "127.0.0.1":
    sys.exit("CHANGED: what is stored is not as stated")
print("AS STATED")
PY
