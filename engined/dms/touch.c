/* Which things an event changes as they are shown: a message is among those of both its ends. */
#include "engined/dms/dms_state.h"

void dms_touch_sent(void *state, const ProtobufCMessage *message, struct versions *versions)
{
    (void)state;
    const Pb__MessageSent *event = (const Pb__MessageSent *)message;
    versions_touch(versions, VERSION_USER, event->from_user_id);
    versions_touch(versions, VERSION_USER, event->to_user_id);
}

void dms_touch_read(void *state, const ProtobufCMessage *message, struct versions *versions)
{
    (void)state;
    const Pb__MessagesRead *event = (const Pb__MessagesRead *)message;
    versions_touch(versions, VERSION_USER, event->reader_id);
    versions_touch(versions, VERSION_USER, event->other_id);
}
