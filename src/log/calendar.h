/* A moment as java.util.Date prints it in UTC: "Sat Jan 31 12:00:00 UTC 2026". Inside this folder
 * only. */
#pragma once

#include "base/base.h"

#define CALENDAR_TEXT_SIZE 48

void calendar_java_text(int64_t now_ms, char out[CALENDAR_TEXT_SIZE]);
