#include "gateway/access_log.h"

#include <inttypes.h>

#include "common/log.h"

#define PATH_LOGGED_BYTES 512

void access_log_write(const struct access_entry *entry)
{
    char path[PATH_LOGGED_BYTES];
    log_info("request method=%s route=%s path=%s status=%u us=%" PRIu64 " client=%s id=%s engine=%s batch=%u",
             entry->method[0] != '\0' ? entry->method : "-", entry->route != NULL ? entry->route : "-",
             log_quote(path, sizeof(path), entry->path), entry->status, entry->took_us, entry->client,
             entry->request_id, entry->engine != NULL ? entry->engine : "-", entry->batch_size);
}
