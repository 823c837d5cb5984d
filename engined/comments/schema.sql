-- Comments: written once. What is small stands first, so that it is read without the overflow pages of a long text.
CREATE TABLE comments (
    comment_id INTEGER PRIMARY KEY,
    post_id INTEGER NOT NULL,
    author_id INTEGER NOT NULL,
    parent_id INTEGER,                 -- null: says something about the post itself
    depth INTEGER NOT NULL,            -- 0: no parent
    created_at INTEGER NOT NULL,       -- ms since 1970
    author_username TEXT NOT NULL,
    content TEXT NOT NULL
) STRICT;
CREATE INDEX comments_by_author ON comments (author_id);

-- What votes and replies change, apart from the texts. Clustered by post: it is also what a post's tree is
-- loaded from.
CREATE TABLE tallies (
    post_id INTEGER NOT NULL,
    comment_id INTEGER NOT NULL,
    parent_id INTEGER,
    upvotes INTEGER NOT NULL,
    downvotes INTEGER NOT NULL,
    reply_count INTEGER NOT NULL,      -- direct replies
    PRIMARY KEY (post_id, comment_id)
) STRICT, WITHOUT ROWID;

-- Who votes how; no row: not at all. By user, since a page asks for one user's votes on many comments.
CREATE TABLE votes (
    user_id INTEGER NOT NULL,
    comment_id INTEGER NOT NULL,
    vote INTEGER NOT NULL CHECK (vote IN (-1, 1)),
    PRIMARY KEY (user_id, comment_id)
) STRICT, WITHOUT ROWID;
