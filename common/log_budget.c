#include "common/log_budget.h"

bool log_budget_take(struct log_budget *budget, uint64_t now_ms)
{
    if (now_ms / 1000 != budget->second) {
        budget->second = now_ms / 1000;
        budget->used = 0;
    }
    if (budget->used < budget->per_second) {
        budget->used++;
        return true;
    }
    budget->left_out++;
    return false;
}

uint64_t log_budget_left_out(struct log_budget *budget, uint64_t now_ms)
{
    uint64_t left_out = budget->left_out;
    if (left_out == 0 || now_ms / 1000 == budget->second)
        return 0;
    budget->left_out = 0;
    return left_out;
}
