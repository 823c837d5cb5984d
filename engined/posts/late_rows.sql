-- By author, what late_rows.h writes; scores are now written by it too, or by the first vote on a post. No row of scores:
-- nobody voted.
DROP INDEX posts_by_author;
CREATE TABLE posts_of_author (
    author_id INTEGER NOT NULL,
    post_id INTEGER NOT NULL,
    PRIMARY KEY (author_id, post_id)
) STRICT, WITHOUT ROWID;
INSERT INTO posts_of_author SELECT author_id, post_id FROM posts ORDER BY author_id, post_id;
