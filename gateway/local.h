/* Routes that the worker answers by itself. */
#pragma once

#include "gateway/request.h"

void local_root(struct request *request);
void local_health(struct request *request);
void local_ready(struct request *request);   /* asks every engine first */
void local_metrics(struct request *request); /* likewise */
void local_openapi(struct request *request);
