"""Tables of a node's queue."""

from __future__ import annotations

VERSION = 1
"""Of the tables; a queue of another is not opened."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS exam(
    id INTEGER PRIMARY KEY,
    study_uid TEXT NOT NULL UNIQUE,
    changed_at REAL NOT NULL,
    dirty INTEGER NOT NULL DEFAULT 1,
    revision INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS image(
    sop_instance_uid TEXT NOT NULL UNIQUE,
    exam_id INTEGER NOT NULL REFERENCES exam(id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    file TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    view TEXT
);
CREATE TABLE IF NOT EXISTS result(
    id INTEGER PRIMARY KEY,
    exam_id INTEGER NOT NULL REFERENCES exam(id) ON DELETE CASCADE,
    result_revision INTEGER NOT NULL,
    kind TEXT NOT NULL,
    sop_class_uid TEXT NOT NULL,
    sop_instance_uid TEXT NOT NULL,
    file TEXT NOT NULL,
    bytes INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS delivery(
    result_id INTEGER NOT NULL REFERENCES result(id) ON DELETE CASCADE,
    destination TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    delivery_attempts INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL DEFAULT 0,
    transaction_uid TEXT,
    PRIMARY KEY(result_id, destination)
);
CREATE INDEX IF NOT EXISTS image_of_exam ON image(exam_id);
CREATE INDEX IF NOT EXISTS result_of_exam ON result(exam_id);
CREATE INDEX IF NOT EXISTS delivery_by_state ON delivery(destination, state);
"""
