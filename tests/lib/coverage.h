/*
 * Which routes the system tests reached: a line "POST /api/posts/create 201" for each method, path and status
 * seen, in the file that FORUMD_COVERAGE names (nowhere without it). tests/system/coverage_test.c holds it
 * against /openapi.json.
 */
#pragma once

void coverage_note(const char *method, const char *path, unsigned status);
