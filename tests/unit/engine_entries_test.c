/* Requests that wait for engines, found by their ids. */
#include <criterion/criterion.h>

#include "gateway/engine_entries.h"
#include "gateway/request_ids.h"

/* The ids that a worker makes differ in few bits, and each answer is looked up. */
Test(engine_entries, of_ids_that_count_up_are_spread_over_the_table)
{
    static struct entries entries;
    struct request_ids ids;
    size_t used = 0;
    request_ids_open(&ids);
    entries_init(&entries);
    for (size_t i = 0; i < ENTRY_BUCKETS; i++) {
        struct engine_request request = {.actor_name = "", .payload = (const uint8_t *)"", .deadline_ms = 1};
        request_ids_next(&ids, &request.id);
        struct entry *entry = entries_add(&entries, &request, NULL, NULL);
        entries_move(&entries, entry, ENTRY_IN_FLIGHT);
        cr_assert_eq(entries_by_id(&entries, &request.id), entry);
    }
    for (size_t i = 0; i < ENTRY_BUCKETS; i++)
        used += !LIST_EMPTY(&entries.buckets[i]);
    cr_assert_gt(used, ENTRY_BUCKETS / 2, "%zu of %u", used, (unsigned)ENTRY_BUCKETS);
    entries_dispose(&entries);
}
