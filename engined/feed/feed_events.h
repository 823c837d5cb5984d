/* The events of other engines that the feed follows (proto/subreddits.proto, proto/posts.proto). */
#pragma once

enum {
    EVENT_MEMBER_JOINED = 0x0202,
    EVENT_MEMBER_LEFT = 0x0203,
    EVENT_POST_CREATED = 0x0301,
    EVENT_POST_VOTE_CHANGED = 0x0302,
};
