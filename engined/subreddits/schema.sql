-- Subreddits. Names are ASCII: NOCASE folds them as the contract asks (unique without regard to case, shown as
-- registered, ordered by the folded name).
CREATE TABLE subreddits (
    subreddit_id INTEGER PRIMARY KEY,
    creator_id INTEGER NOT NULL,
    member_count INTEGER NOT NULL,
    created_at INTEGER NOT NULL,       -- ms since 1970
    name TEXT NOT NULL COLLATE NOCASE UNIQUE,
    description TEXT
) STRICT;
-- The popular ones first; the id, which every index ends with, settles ties.
CREATE INDEX subreddits_by_members ON subreddits (member_count);

CREATE TABLE memberships (
    user_id INTEGER NOT NULL,
    subreddit_id INTEGER NOT NULL,
    joined_at INTEGER NOT NULL,        -- ms since 1970
    PRIMARY KEY (user_id, subreddit_id)
) STRICT, WITHOUT ROWID;
