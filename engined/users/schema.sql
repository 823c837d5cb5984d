-- Accounts. Names are ASCII: NOCASE folds them as the contract asks (unique without regard to case, shown as
-- registered).
CREATE TABLE users (
    user_id INTEGER PRIMARY KEY,
    created_at INTEGER NOT NULL,       -- ms since 1970
    username TEXT NOT NULL COLLATE NOCASE UNIQUE
) STRICT;

-- Derived from the events of the posts and of the comments engine, one table a source; not owned.
CREATE TABLE karma_from_posts (
    user_id INTEGER PRIMARY KEY,
    karma INTEGER NOT NULL
) STRICT;
CREATE TABLE karma_from_comments (
    user_id INTEGER PRIMARY KEY,
    karma INTEGER NOT NULL
) STRICT;
