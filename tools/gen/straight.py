"""Straight-line C for the messages that are counted in millions: decode, measure, emit.

It does what the interpreter does, for the usual case; src/wire/straight_int.h says what happens else.
"""

from schema import FIXED_SIZES, SchemaError

HOT = ('RequestHeader', 'ResponseHeader', 'ProduceRequest', 'ProduceResponse', 'FetchRequest', 'FetchResponse',
       'MetadataResponse')

EMIT_CASTS = {'bool': ('u8', 'uint8_t'), 'int8': ('u8', 'uint8_t'), 'int16': ('u16', 'uint16_t'),
              'int32': ('u32', 'uint32_t'), 'int64': ('u64', 'uint64_t')}


def version_test(message, versions, variable):
    """C that is true in these versions; None where that is always."""
    tests = []
    inside = versions.within(message.versions)
    if inside.is_empty():
        return 'false'
    if inside.low > message.versions.low:
        tests.append(f'{variable} >= {inside.low}')
    if inside.high < message.versions.high:
        tests.append(f'{variable} <= {inside.high}')
    return ' && '.join(tests) or None


def null_test(message, f, variable):
    return 'false' if f.nullable.is_empty() else version_test(message, f.nullable, variable) or 'true'


def is_number(f):
    return not f.array and f.type in EMIT_CASTS


def compact(f, variable):
    return 'false' if f.rigid else f'{variable}->is_flexible'


def is_default(struct, f, place):
    """C that is true if the member holds its default."""
    if is_number(f):
        return f'in->{f.name} == {struct.c_name}_default.{f.name}'
    default = f'&{struct.c_name}_default.{f.name}'
    slow = f'wire__is_default(&{struct.c_name}_fields[{place}], &in->{f.name}, {default})'
    if f.struct is None or f.array:
        return slow
    return f'memcmp(&in->{f.name}, {default}, sizeof(in->{f.name})) == 0 || {slow}'


def check(message, struct, f):
    known = f.type in FIXED_SIZES if not f.array else f.type == 'int32'
    if f.struct is None and f.type not in ('string', 'bytes', 'records') and not known or f.type in ('uint16', 'uint32', 'float64') \
            or f.array and f.struct is None and f.type != 'int32' \
            or f.struct is not None and not f.array and not f.nullable.is_empty():
        raise SchemaError(f'{message.name}: straight-line code does not know the type of {struct.name}.{f.name}')


def guarded(test, lines):
    """Lines under a condition."""
    if test is None:
        return lines
    return [f'if ({test}) {{'] + ['    ' + line for line in lines] + ['}']


# ---- decode


def get_value(message, f):
    """C that is true when the member was read."""
    null = null_test(message, f, 'c->version')
    if f.array and f.type == 'int32':
        return f'wire__get_int32_items(c, {null}, &out->{f.name}_count, &out->{f.name})'
    if f.type == 'string':
        return f'wire__get_string(c, {compact(f, "c")}, {null}, &out->{f.name})'
    if f.type in ('bytes', 'records'):
        return f'wire__get_{f.type}(c, {null}, &out->{f.name})'
    if f.struct is not None:
        return f'get_{f.struct.c_name}{"_items" if f.array else ""}(c, ' \
            + (f'{null}, &out->{f.name}_count, &out->{f.name})' if f.array else f'&out->{f.name})')
    return f'wire__get_{f.type}(c, &out->{f.name})'


def get_tags(message, struct):
    tagged = struct.tagged()
    if not tagged:
        return ['if (c->is_flexible && !wire__get_no_tags(c))', '    return false;']
    lines = ['uint32_t tag_count = 0;',
             'if (c->is_flexible && !wire__get_uvarint(c, &tag_count))', '    return false;',
             'const uint8_t *const end = c->end;',
             'for (; tag_count > 0; tag_count--) {',
             '    uint32_t tag;',
             '    if (!wire__get_tag(c, &tag, &c->end))', '        return false;',
             '    bool is_read = false;']
    for place in tagged:
        f = struct.fields[place]
        test = version_test(message, f.versions, 'c->version')
        lines += [f'    {"else " if f.tag else ""}if (tag == {f.tag}' + (f' && {test})' if test else ')'),
                  f'        is_read = {get_value(message, f)};']
    return lines + ['    if (!is_read || c->at != c->end)', '        return false;', '    c->end = end;', '}']


def get_struct(message, struct):
    name = struct.c_name
    lines = [f'static bool get_{name}(struct wire_cursor *c, struct {name} *out)', '{',
             f'    *out = {name}_default;']
    for f in struct.fields:
        if f.tag is not None:
            continue
        test = version_test(message, f.versions, 'c->version')
        condition = f'!{get_value(message, f)}'
        lines += [f'    if ({test + " && " if test else ""}{condition})', '        return false;']
    lines += ['    ' + line for line in get_tags(message, struct)]
    return lines + ['    return true;', '}']


def get_items(struct, first_version):
    name = struct.c_name
    return f'''static bool get_{name}_items(struct wire_cursor *c, bool may_be_null, int32_t *out_count,
    struct {name} **out_items)
{{
    void *items;
    if (!wire__get_items(c, may_be_null, {name}_size_min[c->version - {first_version}], sizeof(**out_items), out_count, &items))
        return false;
    *out_items = items;
    for (int32_t i = 0; i < *out_count; i++) {{
        if (!get_{name}(c, &(*out_items)[i]))
            return false;
    }}
    return true;
}}'''.split('\n')


# ---- measure


def add_value(message, f):
    """Lines that add the size of a member, or return false."""
    null = null_test(message, f, 'm->version')
    refuse = ['    return false;']
    if f.array:
        lines = [f'if (!wire__add_count(m, {null}, in->{f.name}_count))'] + refuse
        if f.struct is None:
            return lines + [f'm->extent.size += 4 * (uint64_t)MAX(in->{f.name}_count, 0);']
        return lines + [f'for (int32_t i = 0; i < in->{f.name}_count; i++) {{',
                        f'    if (!add_{f.struct.c_name}(m, &in->{f.name}[i]))', '        return false;', '}']
    if f.struct is not None:
        return [f'if (!add_{f.struct.c_name}(m, &in->{f.name}))'] + refuse
    if f.type == 'string':
        return [f'if (!wire__add_string(m, {compact(f, "m")}, {null}, &in->{f.name}))'] + refuse
    if f.type in ('bytes', 'records'):
        return [f'if (!wire__add_{f.type}(m, {null}, &in->{f.name}))'] + refuse
    return [f'm->extent.size += {FIXED_SIZES[f.type]};']


def add_struct(message, struct):
    name = struct.c_name
    lines = []
    flexible_lines = []
    for place, f in enumerate(struct.fields):
        test = version_test(message, f.versions, 'm->version')
        if test is not None and not f.ignorable:
            lines += [f'if (!({test}) && !({is_default(struct, f, place)}))', '    return false;']
        if f.tag is None:
            lines += guarded(test, add_value(message, f))
    for place in struct.tagged():
        f = struct.fields[place]
        test = version_test(message, f.versions, 'm->version')
        flexible_lines += guarded((test + ' && ' if test else '') + f'!({is_default(struct, f, place)})',
                                  ['const uint64_t from = m->extent.size;'] + add_value(message, f)
                                  + ['wire__add_tag_head(m, from);'])
    if 'unknown_tags' in tags_member(message):
        flexible_lines = ['if (in->unknown_tags.count > 0)', '    return false;',
                          'm->extent.size += 1; /* how many tags there are: fewer than 128 */'] + flexible_lines
        lines += guarded('m->is_flexible', flexible_lines)
    return [f'static bool add_{name}(struct wire_measure *m, const struct {name} *in)', '{'] \
        + ['    ' + line for line in lines] + ['    return true;', '}']


def tags_member(message):
    return '' if message.flexible.within(message.versions).is_empty() else 'unknown_tags'


# ---- emit


def emit_value(f):
    if f.array:
        element = f'emit_{f.struct.c_name}(e, &in->{f.name}[i])' if f.struct is not None \
            else f'wire__emit_u32(e, (uint32_t)in->{f.name}[i])'
        return [f'wire__emit_length(e, in->{f.name}_count < 0 ? -1 : in->{f.name}_count);',
                f'for (int32_t i = 0; i < in->{f.name}_count; i++)', f'    {element};']
    if f.struct is not None:
        return [f'emit_{f.struct.c_name}(e, &in->{f.name});']
    if f.type == 'string':
        return [f'wire__emit_string(e, {compact(f, "e")}, &in->{f.name});']
    if f.type in ('bytes', 'records', 'uuid'):
        return [f'wire__emit_{f.type}(e, &in->{f.name});']
    verb, cast = EMIT_CASTS[f.type]
    return [f'wire__emit_{verb}(e, ({cast})in->{f.name});']


def emit_struct(message, struct):
    name = struct.c_name
    lines = []
    for f in struct.fields:
        if f.tag is None:
            lines += guarded(version_test(message, f.versions, 'e->version'), emit_value(f))
    tag_lines = []
    counts = []
    for place in struct.tagged():
        f = struct.fields[place]
        test = version_test(message, f.versions, 'e->version')
        flag = f'has_{f.name}'
        tag_lines.append(f'const bool {flag} = {test + " && " if test else ""}!({is_default(struct, f, place)});')
        counts.append(flag)
    if tags_member(message):
        tag_lines.append(f'wire__emit_u8(e, (uint8_t)({" + ".join(counts) or "0"}));')
        for place in struct.tagged():
            f = struct.fields[place]
            tag_lines += guarded(f'has_{f.name}', [
                f'wire__emit_u8(e, {f.tag});',
                f'wire__emit_uvarint(e, (uint32_t)wire__tag_size(&{name}_fields[{place}], e->version, '
                f'(const uint8_t *)&in->{f.name}));'] + emit_value(f))
        lines += guarded('e->is_flexible', tag_lines)
    return [f'static void emit_{name}(struct wire_emitter *e, const struct {name} *in)', '{'] \
        + ['    ' + line for line in lines] + ['}']


def code(message):
    """Functions for every struct, and the table that a message points to."""
    lines = []
    structs = message.structs()
    for struct in structs:
        for f in struct.fields:
            check(message, struct, f)
        lines += get_struct(message, struct)
        if struct is not message.root:
            lines += get_items(struct, message.versions.low) if uses_items(structs, struct) else []
        lines += add_struct(message, struct) + emit_struct(message, struct)
    name = message.c_name()
    return lines + f'''static bool decode_{name}(struct wire_cursor *c, void *out)
{{
    return get_{name}(c, out);
}}
static bool measure_{name}(struct wire_measure *m, const void *in)
{{
    return add_{name}(m, in);
}}
static void emit_whole_{name}(struct wire_emitter *e, const void *in)
{{
    emit_{name}(e, in);
}}
static const struct wire_straight {name}_straight = {{
    .decode = decode_{name}, .measure = measure_{name}, .emit = emit_whole_{name},
}};'''.split('\n')


def uses_items(structs, struct):
    return any(f.array and f.struct is struct for s in structs for f in s.fields)
