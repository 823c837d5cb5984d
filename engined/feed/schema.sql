-- All derived: nothing here is owned.

-- From the subreddits engine.
CREATE TABLE memberships (
    user_id INTEGER NOT NULL,
    subreddit_id INTEGER NOT NULL,
    PRIMARY KEY (user_id, subreddit_id)
) STRICT, WITHOUT ROWID;

-- From the posts engine: what ranks are made of, clustered as they are loaded.
CREATE TABLE feed_posts (
    subreddit_id INTEGER NOT NULL,
    post_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    upvotes INTEGER NOT NULL,
    downvotes INTEGER NOT NULL,
    PRIMARY KEY (subreddit_id, post_id)
) STRICT, WITHOUT ROWID;
