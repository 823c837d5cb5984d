#include "common/attributes.h"
#include "engined/dms/dms_state.h"

static const struct check_table owned[] = {{"messages", NULL}, {"inbox", NULL}, {"read_marks", NULL}};

static const struct check_row rows[] = {
    {"inboxes hold what was sent and got",
     "SELECT 'dm_' || message_id || iif(sum(side) > 0, ' is missing in', ' is wrongly in') || ' the inbox of "
     "user_' || "
     "user_id FROM (SELECT from_user_id AS user_id, message_id, 1 AS side FROM dms.messages UNION "
     "SELECT to_user_id, message_id, 1 FROM dms.messages UNION ALL SELECT user_id, message_id, -1 FROM "
     "dms.inbox) "
     "GROUP BY user_id, message_id HAVING sum(side) <> 0"},
    {"what is read is what the read mark says",
     "SELECT 'dm_' || m.message_id || iif(m.read_at IS NULL, ' is unread', ' is read') || "
     "', the mark of its reader is ' || coalesce(r.up_to, 0) FROM dms.messages m LEFT JOIN dms.read_marks r "
     "ON r.reader_id = m.to_user_id AND r.other_id = m.from_user_id "
     "WHERE (m.read_at IS NOT NULL) <> (m.message_id <= coalesce(r.up_to, 0))"},
    {"a reply is in its conversation",
     "SELECT 'dm_' || m.message_id || ' replies to dm_' || m.reply_to_id || ', which is not in its "
     "conversation' "
     "FROM dms.messages m LEFT JOIN dms.messages r ON r.message_id = m.reply_to_id WHERE m.reply_to_id IS "
     "NOT NULL AND "
     "(r.message_id IS NULL OR min(m.from_user_id, m.to_user_id) <> min(r.from_user_id, r.to_user_id) "
     "OR max(m.from_user_id, m.to_user_id) <> max(r.from_user_id, r.to_user_id))"},
    {"who writes and reads are users",
     "SELECT 'dm_' || message_id || ' is of user_' || from_user_id || ' to user_' || to_user_id || "
     "', and one does not exist' FROM dms.messages WHERE from_user_id NOT IN (SELECT user_id FROM "
     "users.users) "
     "OR to_user_id NOT IN (SELECT user_id FROM users.users)"},
    {"users that were looked up have these names",
     "SELECT 'user_' || k.id || ' is known, but ' || iif(u.user_id IS NULL, 'does not exist', 'has another "
     "name') "
     "FROM dms.known k LEFT JOIN users.users u ON u.user_id = k.id WHERE k.lookup = 0 AND "
     "(u.user_id IS NULL OR (k.name IS NOT NULL AND u.username <> k.name COLLATE BINARY))"},
};

const struct domain_checks dms_checks = {owned, ARRAY_LEN(owned), NULL, 0, rows, ARRAY_LEN(rows)};
