-- Posts: written once. What is small stands first, so that it is read without the overflow pages of a long text.
CREATE TABLE posts (
    post_id INTEGER PRIMARY KEY,
    subreddit_id INTEGER NOT NULL,
    author_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL,       -- ms since 1970
    original_post_id INTEGER,          -- set: a repost; the root of its chain
    subreddit_name TEXT NOT NULL,
    author_username TEXT NOT NULL,
    title TEXT NOT NULL,
    url TEXT,
    content TEXT
) STRICT;
CREATE INDEX posts_by_author ON posts (author_id);

-- What each vote changes, apart from the texts. Clustered by subreddit: it is also the index that a
-- subreddit's ranks are loaded by.
CREATE TABLE scores (
    subreddit_id INTEGER NOT NULL,
    post_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    upvotes INTEGER NOT NULL,
    downvotes INTEGER NOT NULL,
    PRIMARY KEY (subreddit_id, post_id)
) STRICT, WITHOUT ROWID;

-- Who votes how; no row: not at all. By post, since most votes fall on few, recent posts: a batch of
-- them dirties few pages.
CREATE TABLE votes (
    post_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    vote INTEGER NOT NULL CHECK (vote IN (-1, 1)),
    PRIMARY KEY (post_id, user_id)
) STRICT, WITHOUT ROWID;

-- Derived from the comments engine's events; not owned.
CREATE TABLE comment_counts (
    post_id INTEGER PRIMARY KEY,
    comment_count INTEGER NOT NULL
) STRICT;
