#!/usr/bin/env bash
# A report in which one amount has no value, as the standard writes what was not measured, cannot be read
#
# Versions:   pydicom 3.0.2, highdicom 0.28.2, numpy 2.4.6; Python 3.11
# Expected:   MeasuredValueSequence (0040,A300) is type 2: empty where there is no value, with the reason in Numeric
#             Value Qualifier Code Sequence (PS3.3 C.18.1). Such an item can be made, and is read as one without value.
# Seen:       NumContentItem takes a qualifier "as an alternative to numeric value", but no item can be made without a
#             value, and reading one raises IndexError. The whole report is lost with it.
# Output:     value None: TypeError
#             pydicom reads: 0 values, qualifier 114007
#             highdicom reads: IndexError
# Why:        a mammogram FOR PRESENTATION gives an area and no mass. Whoever writes 0 mg to be readable has written that
#             there is no calcium.
# What to do: make the report with any number and take it out of the finished dataset; read such reports by pydicom
#             or dcmtk.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check pydicom==3.0.2 highdicom==0.28.2 numpy==2.4.6 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
venv/bin/python - <<'PY'
import copy
import sys

from highdicom.sr import NumContentItem
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

MASS = Code("112199", "DCM", "Mass of Vascular Calcification")
MG = Code("mg", "UCUM", "mg")
WHY = Code("114007", "DCM", "Measurement not attempted")


def outcome(call):
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return "no error"


seen = [outcome(lambda: NumContentItem(MASS, None, MG, qualifier=WHY, relationship_type="CONTAINS"))]
print(f"value None: {seen[0]}")
item = Dataset()
item.update(copy.deepcopy(NumContentItem(MASS, 0.0, MG, qualifier=WHY, relationship_type="CONTAINS")))
item.MeasuredValueSequence = []
read = (len(item.MeasuredValueSequence), item.NumericValueQualifierCodeSequence[0].CodeValue)
print(f"pydicom reads: {read[0]} values, qualifier {read[1]}")
seen.append(outcome(lambda: NumContentItem.from_dataset(item)))
print(f"highdicom reads: {seen[1]}")
if seen != ["TypeError", "IndexError"] or read != (0, "114007"):
    sys.exit("CHANGED: amounts without a value are made or read otherwise than stated")
print("AS STATED")
PY
