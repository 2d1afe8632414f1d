/* See names.h. */
#include "coord/names.h"

#include "base/mem.h"

#include <string.h>

void names_init(struct names *names, uint64_t hash_seed)
{
    *names = (struct names){ .next_serial = 1 };
    map_init(&names->by_text, hash_seed);
}

void names_deinit(struct names *names)
{
    ASSERT(map_count(&names->by_text) == 0);
    map_deinit(&names->by_text);
}

struct name *name_ref_text(struct names *names, struct bytes text)
{
    struct name *name = map_get(&names->by_text, text);
    if (name != NULL)
        return name_ref(name);
    name = mem_alloc(sizeof(*name) + text.size);
    *name = (struct name){ .reference_count = 1,
                           .size = (uint32_t)text.size,
                           .serial = names->next_serial++ };
    if (text.size > 0)
        memcpy(name->text, text.data, text.size);
    (void)map_put(&names->by_text, text, name); /* was not there */
    return name;
}

struct name *name_find(const struct names *names, struct bytes text)
{
    return map_get(&names->by_text, text);
}

struct name *name_ref(struct name *name)
{
    name->reference_count++;
    return name;
}

void name_unref(struct names *names, struct name *name)
{
    if (name == NULL || --name->reference_count > 0)
        return;
    (void)map_remove(&names->by_text, name_text(name)); /* it is there: we hold it */
    mem_free(name);
}

struct bytes name_text(const struct name *name)
{
    return name == NULL ? BYTES_NULL : bytes_from(name->text, name->size);
}
