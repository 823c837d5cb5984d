/* What the dms domain keeps while it is open, shared by its handlers (commands.c) and events (apply.c). */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "engined/check_rows.h"
#include "engined/store.h"
#include "proto/dms.pb-c.h"

/* check.c */
extern const struct domain_checks dms_checks;

/* Index into the domain's look-ups. */
enum dms_lookup { DMS_LOOKUP_USER };

struct dms {
    struct store *store;
    uint64_t next_message_id; /* 0: to be counted anew */

    struct query *last_id, *ends, *of_user, *conversation, *read_mark, *count_unread;
    struct query *message_insert, *inbox_insert, *mark_messages, *mark_put;
    struct query *clear_messages, *clear_inbox, *clear_marks;
};

/* apply.c */
void dms_apply_sent(void *state, struct arena *arena, const ProtobufCMessage *message);
void dms_apply_read(void *state, struct arena *arena, const ProtobufCMessage *message);
/* 0: the reader has read nothing of the other's. */
uint64_t dms_read_mark(struct dms *dms, uint64_t reader_id, uint64_t other_id) MUST_USE;
