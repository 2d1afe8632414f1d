/* Java's .properties text: what `server.properties` and `--command-config` files are written in.
 *
 * One `name separator value` a logical line; separator `=`, `:` or white space; `#` and `!` begin comment lines; a line
 * that ends in an odd number of backslashes goes on in the next, whose leading white space is dropped; escapes
 * \t \n \r \f \uXXXX, any other \c is c. The same name again replaces the value. As in Kafka the bytes are ISO-8859-1;
 * names and values come out as UTF-8. (java.util.Properties.load.)
 */
#pragma once

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"

#define PROPERTIES_TEXT_SIZE_MAX (1024 * 1024)

struct property {
    char *name; /* owned; UTF-8, terminated */
    char *value;
    uint32_t line; /* of the file, 1-based; 0: put by code */
};

/* Ordered by first appearance. */
struct properties {
    VEC(struct property) list;
    struct map index_of; /* name → position in list + 1 */
};

void properties_init(struct properties *properties);
void properties_deinit(struct properties *properties);

/* Adds what the text says. Returns 0, or with the properties perhaps partly filled:
 *   -ERR_MALFORMED  a bad \uXXXX escape, or a NUL (which C text cannot hold); the note names the line
 *   -ERR_LIMIT      longer than PROPERTIES_TEXT_SIZE_MAX */
MUST_CHECK int properties_parse(struct properties *properties, struct bytes text,
                                struct err_note *note);

const char *properties_get(const struct properties *properties,
                           struct bytes name); /* NULL if absent */
void properties_put(struct properties *properties, struct bytes name, struct bytes value,
                    uint32_t line);
