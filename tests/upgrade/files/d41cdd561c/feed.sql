PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE engine_meta (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    log_id INTEGER NOT NULL            -- random: which log this is; see timelines.sql
) STRICT;
INSERT INTO engine_meta VALUES(1,3307873643301954639);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    type INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE TABLE requests (
    id BLOB PRIMARY KEY,
    client INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,      -- hash of command and payload
    expires_ms INTEGER NOT NULL,       -- wall time
    reply BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE known (
    lookup INTEGER NOT NULL,
    id INTEGER NOT NULL,
    name TEXT,
    PRIMARY KEY (lookup, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE cursors (
    source INTEGER PRIMARY KEY,
    log_id INTEGER NOT NULL,
    seq INTEGER NOT NULL
) STRICT;
INSERT INTO cursors VALUES(2,5727278009237724705,8);
INSERT INTO cursors VALUES(3,8694394189671172253,9);
CREATE TABLE memberships (
    user_id INTEGER NOT NULL,
    subreddit_id INTEGER NOT NULL,
    PRIMARY KEY (user_id, subreddit_id)
) STRICT, WITHOUT ROWID;
INSERT INTO memberships VALUES(1,1);
INSERT INTO memberships VALUES(2,1);
INSERT INTO memberships VALUES(2,2);
INSERT INTO memberships VALUES(3,1);
CREATE TABLE feed_posts (
    subreddit_id INTEGER NOT NULL,
    post_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    upvotes INTEGER NOT NULL,
    downvotes INTEGER NOT NULL,
    PRIMARY KEY (subreddit_id, post_id)
) STRICT, WITHOUT ROWID;
INSERT INTO feed_posts VALUES(1,1,1795553815564,2,0);
INSERT INTO feed_posts VALUES(1,2,1795553815576,0,1);
INSERT INTO feed_posts VALUES(1,5,1795553815671,0,0);
INSERT INTO feed_posts VALUES(2,3,1795553815586,0,1);
INSERT INTO feed_posts VALUES(2,4,1795553815598,0,0);
CREATE TABLE timelines (
    first_seq INTEGER PRIMARY KEY,
    id INTEGER NOT NULL                -- random
) STRICT;
CREATE INDEX requests_by_expiry ON requests (client, expires_ms);
COMMIT;
PRAGMA user_version=3;
