CREATE TABLE users (
    id bigserial PRIMARY KEY,
    username text NOT NULL UNIQUE,
    karma int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE subreddits (
    id bigserial PRIMARY KEY,
    name text NOT NULL UNIQUE,
    description text NOT NULL,
    creator_id bigint NOT NULL REFERENCES users,
    member_count int NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE members (
    user_id bigint REFERENCES users,
    subreddit_id bigint REFERENCES subreddits,
    PRIMARY KEY (user_id, subreddit_id));
CREATE TABLE posts (
    id bigserial PRIMARY KEY,
    subreddit_id bigint NOT NULL REFERENCES subreddits,
    author_id bigint NOT NULL REFERENCES users,
    title text NOT NULL,
    content text NOT NULL,
    upvotes int NOT NULL DEFAULT 0,
    downvotes int NOT NULL DEFAULT 0,
    score int GENERATED ALWAYS AS (upvotes - downvotes) STORED,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX posts_feed ON posts (subreddit_id, score DESC, created_at DESC);
CREATE TABLE votes (
    post_id bigint REFERENCES posts,
    user_id bigint REFERENCES users,
    value int NOT NULL,
    PRIMARY KEY (post_id, user_id));
CREATE TABLE comments (
    id bigserial PRIMARY KEY,
    post_id bigint NOT NULL REFERENCES posts,
    author_id bigint NOT NULL REFERENCES users,
    content text NOT NULL,
    upvotes int NOT NULL DEFAULT 0,
    downvotes int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX comments_of_post ON comments (post_id, id DESC);
