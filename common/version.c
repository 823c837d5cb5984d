#include "common/version.h"

#include "common/version_text.h"

const char version_text[] = VERSION_TEXT;
