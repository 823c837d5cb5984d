#include "tests/sim/compare.h"

#include "tests/sim/compare_record.h"
#include "tests/sim/compare_state.h"
#include "tests/sim/state_index.h"

struct differences *compare(const struct record *record, const struct state *state)
{
    struct differences *differences = differences_new();
    struct state_index *index = state_index_new(state);

    compare_state(index, differences);
    compare_record(record, index, differences);
    state_index_free(index);
    return differences;
}
