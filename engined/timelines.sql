-- The log's timelines. Each process that appends begins one with its first event. Where an older copy of this file was put
-- back the log goes on in a timeline that nobody heard of, so a follower that read beyond the copy is found out by its
-- timeline's end, however long the log has grown since. engine_meta.log_id is the timeline before the first of these.
CREATE TABLE timelines (
    first_seq INTEGER PRIMARY KEY,
    id INTEGER NOT NULL                -- random
) STRICT;
