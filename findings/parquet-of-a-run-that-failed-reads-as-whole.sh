#!/usr/bin/env bash
# A Parquet file of results whose writing failed in the middle is read as a whole one, short by what was not written
#
# Versions:   pyarrow 26.0.1, duckdb 2.0.1, polars 2.1.0; Python 3.11
# Expected:   a file that was being written when the program failed is recognised by its missing footer and refused
# Seen:       `with ParquetWriter(...)` writes the footer on its way out of an exception, and garbage collection writes it where
#             there is no `with`. All three readers give the rows that were there, without a word. And of names that are
#             to keep readers off: pyarrow leaves `_x.parquet` and `.x.parquet` out of a folder, duckdb and polars read both.
# Output:     left by an exception: pyarrow 2, duckdb 2, polars 2 of 4 women
#             left to garbage collection: pyarrow 2
#             a folder with a, _b, .c: pyarrow 1, duckdb 3, polars 3 files
# Why:        a prevalence of half an archive looks like one of the whole, and which half depends on when the disk was full
# What to do: write under a name that no reader takes (not ending in .parquet), sync, rename, and keep a list of the files that
#             are complete, with their rows and digests; read by that list and never by the folder.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check pyarrow==26.0.1 duckdb==2.0.1 polars==2.1.0 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
venv/bin/python - <<'PY'
import contextlib
import gc
import sys
from pathlib import Path

import duckdb
import polars
import pyarrow as pa
from pyarrow import dataset, parquet

SCHEMA = pa.schema([("woman", pa.int64()), ("bac_detected", pa.bool_())])


def batches(fail):
    yield pa.record_batch([[1, 2], [True, False]], schema=SCHEMA)
    if fail:
        raise RuntimeError("the server is away")
    yield pa.record_batch([[3, 4], [False, True]], schema=SCHEMA)


def write(path, fail):
    with parquet.ParquetWriter(path, SCHEMA) as writer:
        for batch in batches(fail):
            writer.write_batch(batch)


def write_without_with(path):
    writer = parquet.ParquetWriter(path, SCHEMA)
    for batch in batches(fail=True):
        writer.write_batch(batch)


with contextlib.suppress(RuntimeError):
    write("short.parquet", fail=True)
rows = (
    parquet.read_table("short.parquet").num_rows,
    duckdb.sql("SELECT count(*) FROM 'short.parquet'").fetchall()[0][0],
    polars.read_parquet("short.parquet").height,
)
print("left by an exception: pyarrow %d, duckdb %d, polars %d of 4 women" % rows)
with contextlib.suppress(RuntimeError):
    write_without_with("collected.parquet")
gc.collect()
collected = parquet.read_table("collected.parquet").num_rows
print(f"left to garbage collection: pyarrow {collected}")
Path("run").mkdir()
for name in ("a", "_b", ".c"):
    write(f"run/{name}.parquet", fail=False)
files = tuple(
    count // 4
    for count in (
        dataset.dataset("run").count_rows(),
        duckdb.sql("SELECT count(*) FROM 'run/*.parquet'").fetchall()[0][0],
        polars.read_parquet("run/*.parquet").height,
    )
)
print("a folder with a, _b, .c: pyarrow %d, duckdb %d, polars %d files" % files)
if rows != (2, 2, 2) or collected != 2 or files != (1, 3, 3):
    sys.exit("CHANGED: short files are told, or files are left out otherwise than stated")
print("AS STATED")
PY
