-- Messages. The text stands last, so that what is small is read without the overflow pages of a long one.
CREATE TABLE messages (
    message_id INTEGER PRIMARY KEY,
    from_user_id INTEGER NOT NULL,
    to_user_id INTEGER NOT NULL,
    reply_to_id INTEGER,
    created_at INTEGER NOT NULL,       -- ms since 1970
    read_at INTEGER,                   -- null: unread
    content TEXT NOT NULL
) STRICT;
-- Conversations: the pair, whoever wrote; the id, which every index ends with, orders them by age.
CREATE INDEX messages_by_pair ON messages (min(from_user_id, to_user_id), max(from_user_id, to_user_id));

-- What a user sent or got; one row for a message to oneself.
CREATE TABLE inbox (
    user_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    PRIMARY KEY (user_id, message_id)
) STRICT, WITHOUT ROWID;

-- Up to which message the reader has read what the other wrote: nothing before is unread, nothing behind is read.
CREATE TABLE read_marks (
    reader_id INTEGER NOT NULL,
    other_id INTEGER NOT NULL,
    up_to INTEGER NOT NULL,
    PRIMARY KEY (reader_id, other_id)
) STRICT, WITHOUT ROWID;
