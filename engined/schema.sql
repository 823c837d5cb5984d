-- Tables that every engine has.

-- One row: who this log is, and when it was last.
CREATE TABLE engine_meta (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    log_id INTEGER NOT NULL            -- random: which log this is; see timelines.sql
) STRICT;

-- The event log: seq ascending without gaps, kept whole.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    type INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;

-- Answers of decided writes by request id. client = 1: made from an Idempotency-Key.
CREATE TABLE requests (
    id BLOB PRIMARY KEY,
    client INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,      -- hash of command and payload
    expires_ms INTEGER NOT NULL,       -- wall time
    reply BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_by_expiry ON requests (client, expires_ms);

-- Positive answers to look-ups.
CREATE TABLE known (
    lookup INTEGER NOT NULL,
    id INTEGER NOT NULL,
    name TEXT,
    PRIMARY KEY (lookup, id)
) STRICT, WITHOUT ROWID;

-- How far this engine followed the others.
CREATE TABLE cursors (
    source INTEGER PRIMARY KEY,
    log_id INTEGER NOT NULL,
    seq INTEGER NOT NULL
) STRICT;
