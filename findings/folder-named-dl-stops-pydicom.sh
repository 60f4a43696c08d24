#!/usr/bin/env bash
# In a folder that holds a folder named "dl", pydicom cannot be imported once python-gdcm is installed
#
# Versions:   python-gdcm 3.2.6, pydicom 3.0.2, numpy 2.4.6; Python 3.11
# Expected:   packages import the same wherever the program is started.
# Seen:       gdcm.py still looks for "dl", a module that Python 3 does not have. A plain folder of that name (an
#             empty one is enough) is taken for it, and AttributeError follows. pydicom asks all its decoders at
#             import and catches ImportError only, so that it falls too, also for files that are not compressed.
# Output:     beside a folder named images: import gdcm: fine
#             beside a folder named images: import pydicom: fine
#             beside a folder named dl: import gdcm: AttributeError: module 'dl' has no attribute 'RTLD_NOW'
#             beside a folder named dl: import pydicom: AttributeError: module 'dl' has no attribute 'RTLD_NOW'
# Why:        "dl" is what people call the folder of mammograms they downloaded, or of their deep learning, and the
#             error names neither DICOM nor the folder.
# What to do: start programs from a folder of their own, or with PYTHONSAFEPATH=1 (Python 3.11 and later).

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check python-gdcm==3.2.6 pydicom==3.0.2 numpy==2.4.6 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
unset PYTHONSAFEPATH
seen=
for folder in images dl; do
  mkdir -p "started_in_$folder/$folder"
  for module in gdcm pydicom; do
    if error=$(cd "started_in_$folder" && "$work/venv/bin/python" -c "import $module" 2>&1); then
      result=fine
    else
      result=$(tail -n 1 <<<"$error")
    fi
    echo "beside a folder named $folder: import $module: $result"
    seen+="$folder $module $result;"
  done
done
error="AttributeError: module 'dl' has no attribute 'RTLD_NOW'"
if [ "$seen" != "images gdcm fine;images pydicom fine;dl gdcm $error;dl pydicom $error;" ]; then
  echo "CHANGED: the imports do not end as stated" >&2
  exit 1
fi
(cd started_in_dl && PYTHONSAFEPATH=1 "$work/venv/bin/python" -c "import pydicom")
echo "AS STATED"
