/* Files of tests/data inside a test program: bytes that are there when the program is.
 *
 *     FIXTURE(old_log, "metadata/__cluster_metadata-0/00000000000000000000.log");
 *     struct bytes log = FIXTURE_BYTES(old_log);
 *
 * The program's meson.build passes -DOTTLA_SOURCE_ROOT="…". A NUL follows the bytes.
 */
#pragma once

#include "base/bytes.h"

#define FIXTURE(name, path)                                                                        \
    __asm__(".pushsection .rodata\n"                                                               \
            ".balign 16\n"                                                                         \
            "fixture_" #name ":\n"                                                                 \
            ".incbin \"" OTTLA_SOURCE_ROOT "/tests/data/" path "\"\n"                              \
            "fixture_" #name "_end:\n"                                                             \
            ".byte 0\n"                                                                            \
            ".popsection\n");                                                                      \
    extern const uint8_t fixture_##name[];                                                         \
    extern const uint8_t fixture_##name##_end[]

#define FIXTURE_BYTES(name)                                                                        \
    bytes_from(fixture_##name, (size_t)(fixture_##name##_end - fixture_##name))
