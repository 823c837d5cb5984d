-- Sessions are counted per user from 1; registering opens the first. Those up to closed_upto are closed, but
-- closed_except; others that are closed have a row.
ALTER TABLE users ADD COLUMN sessions INTEGER NOT NULL DEFAULT 1;
ALTER TABLE users ADD COLUMN closed_upto INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN closed_except INTEGER NOT NULL DEFAULT 0;

-- Forgotten when every token of that session has expired.
CREATE TABLE closed_sessions (
    user_id INTEGER NOT NULL,
    session INTEGER NOT NULL,
    closed_at INTEGER NOT NULL,        -- ms since 1970
    PRIMARY KEY (user_id, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX closed_sessions_by_age ON closed_sessions (closed_at);

-- Argon2id hashes of passwords, of those who have one. Not owned by the event log: no event holds them, and
-- making the other tables anew from the log leaves them as they are.
CREATE TABLE credentials (
    user_id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL
) STRICT;
