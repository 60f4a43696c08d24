#!/usr/bin/env bash
# pynetdicom's StoragePresentationContexts do not offer breast projections, parametric maps or label maps
#
# Versions:   pynetdicom 3.0.4, pydicom 3.0.2; Python 3.11
# Expected:   the list called StoragePresentationContexts holds the storage classes of the field.
# Seen:       it holds 120 of the 170 classes of AllStoragePresentationContexts; an association takes 128 at the
#             most. Mammograms and tomosynthesis are in; the projections of a tomosynthesis, parametric maps and label
#             map segmentations are not. It shows only when such an object is sent.
# Output:     StoragePresentationContexts: 120, AllStoragePresentationContexts: 170
#             accepted: Digital Mammography X-Ray Image Storage - For Processing
#             accepted: Breast Tomosynthesis Image Storage
#             accepted: Segmentation Storage
#             missing:  Breast Projection X-Ray Image Storage - For Presentation
#             missing:  Breast Projection X-Ray Image Storage - For Processing
#             missing:  Parametric Map Storage
#             missing:  Label Map Segmentation Storage
#             sending a parametric map: ValueError before anything is sent
# Why:        a node that receives screening exams by this list is offered the slices and refuses the projections; a
#             sender loses the map of the calcium and keeps the report that points at it.
# What to do: build the list of contexts from the classes that you send or receive, by name.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check pynetdicom==3.0.4 pydicom==3.0.2 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
venv/bin/python - <<'PY'
import sys

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, AllStoragePresentationContexts, StoragePresentationContexts

CLASSES = {
    "1.2.840.10008.5.1.4.1.1.1.2.1": "Digital Mammography X-Ray Image Storage - For Processing",
    "1.2.840.10008.5.1.4.1.1.13.1.3": "Breast Tomosynthesis Image Storage",
    "1.2.840.10008.5.1.4.1.1.66.4": "Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.13.1.4": "Breast Projection X-Ray Image Storage - For Presentation",
    "1.2.840.10008.5.1.4.1.1.13.1.5": "Breast Projection X-Ray Image Storage - For Processing",
    "1.2.840.10008.5.1.4.1.1.30": "Parametric Map Storage",
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation Storage",
}
counts = len(StoragePresentationContexts), len(AllStoragePresentationContexts)
print(f"StoragePresentationContexts: {counts[0]}, AllStoragePresentationContexts: {counts[1]}")
receiver = AE()
for uid in CLASSES:
    receiver.add_supported_context(uid, ExplicitVRLittleEndian)
server = receiver.start_server(("127.0.0.1", 0), block=False)
sender = AE()
sender.requested_contexts = StoragePresentationContexts
association = sender.associate("127.0.0.1", server.socket.getsockname()[1])
accepted = {str(context.abstract_syntax) for context in association.accepted_contexts}
for uid, name in CLASSES.items():
    print(f"{'accepted:' if uid in accepted else 'missing: '} {name}")
parametric_map = Dataset()
parametric_map.file_meta = FileMetaDataset()
parametric_map.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
parametric_map.SOPClassUID, parametric_map.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.30", generate_uid()
try:
    association.send_c_store(parametric_map)
    refused = "sent"
except ValueError:
    refused = "ValueError before anything is sent"
print(f"sending a parametric map: {refused}")
association.release()
server.shutdown()
if accepted != set(list(CLASSES)[:3]) or refused == "sent" or counts != (120, 170):
    sys.exit("CHANGED: other storage classes are offered than stated")
print("AS STATED")
PY
