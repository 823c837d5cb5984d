/* "0.1.0", or in release builds from a checkout with the commits since and the last one's hash:
 * "0.1.0+91.g518803b7c2" (common/version.cmake). */
#pragma once

extern const char version_text[];
