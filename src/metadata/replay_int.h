/* Applying one record to a mutable image. Inside metadata only.
 *
 * Each function checks first and changes last: 0, or with the image as it was -ERR_MALFORMED (the record contradicts
 * what is there), -ERR_LIMIT or -ERR_VERSION; the note says why. Records are borrowed.
 */
#pragma once

#include "base/err.h"
#include "metadata/image.h"
#include "metadata/record.h"

/* All types but transactions and NoOpRecord. -ERR_UNKNOWN_RECORD for others. */
MUST_CHECK int metadata__replay(struct metadata_image *image, const struct metadata_record *record,
                                struct err_note *note);

/* By subject; record types as in metadata__replay. */
MUST_CHECK int metadata__replay_topic(struct metadata_image *image,
                                      const struct metadata_record *record, struct err_note *note);
MUST_CHECK int metadata__replay_node(struct metadata_image *image,
                                     const struct metadata_record *record, struct err_note *note);
MUST_CHECK int metadata__replay_security(struct metadata_image *image,
                                         const struct metadata_record *record,
                                         struct err_note *note);
