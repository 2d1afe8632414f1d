/* What a fuzz target offers: one function that looks at one input. It may not keep anything.
 *
 * A target lives in tests/fuzz/<room>_<what>.c and is built twice: as a program that replays a folder of inputs
 * (replay.c; every build, part of the unit tests), and with libFuzzer (-Dfuzz=enabled, clang).
 * A property that does not hold is an ASSERT.
 */
#pragma once

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
