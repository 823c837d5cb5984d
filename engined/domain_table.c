#include <stddef.h>

#include "engined/domain.h"

static const struct domain *const domains[DOMAIN_COUNT] = {
    [DOMAIN_USERS] = &users_domain, [DOMAIN_SUBREDDITS] = &subreddits_domain,
    [DOMAIN_POSTS] = &posts_domain, [DOMAIN_COMMENTS] = &comments_domain,
    [DOMAIN_DMS] = &dms_domain,     [DOMAIN_FEED] = &feed_domain,
};

const struct domain *domain_by_id(enum domain_id id)
{
    return domains[id];
}
