#include "engined/parking.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"

struct parked *parked_new(const struct request_frame *frame, uint64_t sender)
{
    struct parked *parked = xmalloc(sizeof(*parked) + frame->length);
    memset(parked, 0, sizeof(*parked));
    parked->frame = *frame;
    parked->sender = sender;
    uint8_t *payload = (uint8_t *)(parked + 1);
    memcpy(payload, frame->payload, frame->length);
    parked->frame.payload = payload;
    return parked;
}

void parked_free(struct parked *parked)
{
    password_job_free(parked->password);
    sodium_memzero(parked + 1, parked->frame.length);
    free(parked);
}

void parked_append(struct parked_list *list, struct parked *parked)
{
    parked->next = NULL;
    parked->previous = list->last;
    if (list->last != NULL)
        list->last->next = parked;
    else
        list->first = parked;
    list->last = parked;
    list->count++;
}

void parked_remove(struct parked_list *list, struct parked *parked)
{
    if (parked->previous != NULL)
        parked->previous->next = parked->next;
    else
        list->first = parked->next;
    if (parked->next != NULL)
        parked->next->previous = parked->previous;
    else
        list->last = parked->previous;
    parked->next = parked->previous = NULL;
    list->count--;
}

void parked_move_all(struct parked_list *to, struct parked_list *from)
{
    while (from->first != NULL) {
        struct parked *parked = from->first;
        parked_remove(from, parked);
        parked_append(to, parked);
    }
}

void parked_clear(struct parked_list *list)
{
    while (list->first != NULL) {
        struct parked *parked = list->first;
        parked_remove(list, parked);
        parked_free(parked);
    }
}
