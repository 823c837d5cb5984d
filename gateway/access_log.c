#include "gateway/access_log.h"

#include <inttypes.h>

#include "common/log.h"

#define PATH_LOGGED_BYTES 512

void access_log_write(const struct access_entry *entry)
{
    char path[PATH_LOGGED_BYTES];
    log_info("request client=%s method=%s route=%s path=%s status=%u us=%" PRIu64 " id=%s engine=%s batch=%u",
             entry->client, entry->method[0] != '\0' ? entry->method : "-",
             entry->route != NULL ? entry->route : "-", log_quote(path, sizeof(path), entry->path),
             entry->status, entry->took_us, entry->request_id, entry->engine != NULL ? entry->engine : "-",
             entry->batch_size);
}
