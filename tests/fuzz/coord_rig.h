/* What the targets of the coordinators share: how their inputs say a record of a log. */
#pragma once

#include "base/bytes.h"
#include "wire/reader.h"

/* u8 size of the key, the key, u16 size of the value (65535: a tombstone), the value; both lie in the input. False: it is cut. */
bool coord_rig_read_record(struct reader *r, struct bytes *out_key, struct bytes *out_value);
