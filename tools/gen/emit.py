"""C from the schema: a header for each message, and the tables that the interpreter reads."""

import straight
from schema import FIXED_SIZES, VERSION_TOP, Versions, snake_case

C_TYPES = {'bool': 'bool', 'int8': 'int8_t', 'int16': 'int16_t', 'uint16': 'uint16_t',
           'int32': 'int32_t', 'uint32': 'uint32_t', 'int64': 'int64_t', 'float64': 'double',
           'uuid': 'struct uuid', 'string': 'struct bytes', 'bytes': 'struct bytes',
           'records': 'struct wire_records'}


def c_type(f):
    return C_TYPES.get(f.type) or f'struct {f.struct.c_name}'


def is_pointer(f):
    """A struct that may be null."""
    return f.struct is not None and not f.array and not f.nullable.is_empty()


def has_tags(message):
    return not message.flexible.within(message.versions).is_empty()


# ---- headers


def member_note(message, f):
    words = []
    if f.versions.within(message.versions) != message.versions:
        words.append(str(f.versions))
    if f.tag is not None:
        words.append(f'tag {f.tag}')
    if not f.nullable.is_empty():
        words.append('may be null' if f.nullable.within(message.versions) == f.versions.within(message.versions)
                     else f'may be null: {f.nullable}')
    if is_pointer(f) and not f.is_default_null():
        words.append('default: a constant, not to be written to')
    elif f.default is not None and not f.is_default_null():
        words.append(f'default {f.default}')
    return f' /* {", ".join(words)} */' if words else ''


def struct_lines(message, struct):
    lines = [f'struct {struct.c_name} {{']
    for f in struct.fields:
        star = '*' if f.array or is_pointer(f) else ''
        lines.append(f'    {c_type(f)} {star}{f.name};{member_note(message, f)}')
        if f.array:
            lines.append(f'    int32_t {f.name}_count;')
    if has_tags(message):
        lines.append('    struct wire_tags unknown_tags;')
    elif not struct.fields:
        lines.append('    char empty; /* C wants a member */')
    return lines + ['};', f'extern const struct {struct.c_name} {struct.c_name}_default;']


def nested_faces(struct):
    name = struct.c_name
    return f'''static inline void {name}_init(struct {name} *out)
{{
    *out = {name}_default;
}}
static inline struct {name} *{name}_array(struct arena *arena, size_t count)
{{
    return (struct {name} *)wire_array(arena, &{name}_default, sizeof(struct {name}), count);
}}'''.split('\n')


def message_faces(name):
    return f'''static inline void {name}_init(struct {name} *out)
{{
    *out = {name}_default;
}}
MUST_CHECK static inline int64_t {name}_size(int16_t version, const struct {name} *in,
    struct err_note *note)
{{
    return wire_size(&{name}_message, version, in, note);
}}
MUST_CHECK static inline int {name}_encode(int16_t version, const struct {name} *in,
    struct writer *w, struct err_note *note)
{{
    return wire_encode(&{name}_message, version, in, w, note);
}}
MUST_CHECK static inline int {name}_decode(int16_t version, struct reader *r, struct arena *arena,
    struct {name} *out, struct err_note *note)
{{
    return wire_decode(&{name}_message, version, r, arena, out, note);
}}
static inline void {name}_print(int16_t version, const struct {name} *in, struct buf *out)
{{
    wire_print(&{name}_message, version, in, out);
}}'''.split('\n')


def header(message):
    name = message.c_name()
    lines = [f'/* {message.name}, versions {message.versions}, flexible {message.flexible}. '
             f'Made by tools/gen from {message.source}: edit that. */',
             '#pragma once', '', '#include "wire/message.h"', '']
    structs = message.structs()
    for struct in structs:
        lines += struct_lines(message, struct) + ['']
    lines += [f'extern const struct wire_message {name}_message;', '']
    for struct in structs[:-1]:
        lines += nested_faces(struct)
    lines += message_faces(name)
    return '\n'.join(lines) + '\n'


# ---- tables


def size_min(message, struct, version):
    """The fewest bytes an instance can have: what bounds the count of an array."""
    flexible = message.is_flexible(version)
    total = 1 if flexible else 0
    for f in struct.fields:
        if version not in f.versions or f.tag is not None:
            continue
        compact = flexible and not f.rigid
        if f.array or f.type in ('bytes', 'records'):
            total += 1 if compact else 4
        elif f.type == 'string':
            total += 1 if compact else 2
        elif f.type in FIXED_SIZES:
            total += FIXED_SIZES[f.type]
        else:
            total += 1 if version in f.nullable else size_min(message, f.struct, version)
    return total


def field_row(struct, f):
    flags = [flag for flag, on in (('WIRE_ARRAY', f.array), ('WIRE_IGNORABLE', f.ignorable),
                                   ('WIRE_TAGGED', f.tag is not None), ('WIRE_RIGID', f.rigid),
                                   ('WIRE_POINTER', is_pointer(f))) if on]
    kind = 'STRUCT' if f.struct is not None else f.type.upper()
    element = f'&{f.struct.c_name}_struct' if f.struct is not None else 'NULL'
    null = f.nullable if not f.nullable.is_empty() else Versions(1, 0)
    return (f'    {{ "{f.json_name()}", {element}, offsetof(struct {struct.c_name}, {f.name}), WIRE_{kind}, '
            f'{" | ".join(flags) or "0"}, {f.versions.low}, {f.versions.high}, {null.low}, {null.high}, '
            f'{f.tag or 0} }},')


def default_value(f):
    """Initializer of a member, or None where zero is right."""
    if f.array:
        return None
    if f.type in ('string', 'bytes'):
        return None if f.is_default_null() else 'WIRE_EMPTY_RUN'
    if f.type == 'records':
        return None if f.nullable == f.versions else 'WIRE_EMPTY_RECORDS'
    if f.type in FIXED_SIZES:
        if f.default in (None, '0', 'false'):
            return None
        value = f.default
        if f.type == 'int64':
            value = f'INT64_C({value})'
        elif value == '-2147483648':
            value = 'INT32_MIN'
        return value
    if is_pointer(f):
        # Shared and constant; the way around keeps the compiler from minding that the pointer is not.
        return None if f.is_default_null() else f'(struct {f.struct.c_name} *)(uintptr_t)&{f.struct.c_name}_default'
    if f.struct is not None:
        inner = default_members(f.struct)
        return '{ ' + ', '.join(inner) + ' }' if inner else None
    return None


def default_members(struct):
    members = []
    for f in struct.fields:
        if f.array and f.is_default_null():
            members.append(f'.{f.name}_count = -1')
        value = default_value(f)
        if value is not None:
            members.append(f'.{f.name} = {value}')
    return members


def struct_table(message, struct):
    name = struct.c_name
    lines = [f'const struct {name} {name}_default = {{ {", ".join(default_members(struct)) or "0"} }};']
    if struct.fields:
        lines += [f'static const struct wire_field {name}_fields[] = {{']
        lines += [field_row(struct, f) for f in struct.fields] + ['};']
    tagged = struct.tagged()
    if tagged:
        lines += [f'static const uint8_t {name}_tagged[] = {{ {", ".join(map(str, tagged))} }};']
    sizes = [size_min(message, struct, v) for v in range(message.versions.low, message.versions.high + 1)]
    lines += [f'static const uint16_t {name}_size_min[] = {{ {", ".join(map(str, sizes))} }};']
    tags_offset = f'offsetof(struct {name}, unknown_tags)' if has_tags(message) else 'WIRE_NO_TAGS'
    lines += [f'static const struct wire_struct {name}_struct = {{',
              f'    {name + "_fields" if struct.fields else "NULL"}, {name + "_tagged" if tagged else "NULL"}, '
              f'{name}_size_min, &{name}_default,',
              f'    sizeof(struct {name}), {tags_offset}, {len(struct.fields)}, {len(tagged)}, '
              f'{message.versions.low},', '};']
    return lines


def message_table(message):
    lines = [f'/* {message.name} */']
    for struct in message.structs():
        lines += struct_table(message, struct)
    is_hot = message.name in straight.HOT
    if is_hot:
        lines += straight.code(message)
    name = message.c_name()
    is_api = message.kind in ('request', 'response')
    has_id = not is_api and message.number is not None
    flexible = message.flexible.low if has_tags(message) else 'INT16_MAX'
    kind = message.kind.upper().replace('-', '_')
    return lines + [
        f'const struct wire_message {name}_message = {{',
        f'    .name = "{message.name}", .kind = WIRE_KIND_{kind},',
        f'    .api_key = {message.number if is_api else -1}, .id = {message.number if has_id else -1},',
        f'    .version_min = {message.versions.low}, .version_max = {message.versions.high}, '
        f'.flexible_min = {flexible},',
        f'    .struct_bytes = sizeof(struct {name}), .root = &{name}_struct,',
        f'    .straight = {f"&{name}_straight" if is_hot else "NULL"},', '};', '']


def tables(messages):
    lines = ['/* Tables of messages. Made by tools/gen from src/wire/schema: edit that. */', '#include "wire/straight_int.h"', '']
    lines += [f'#include "wire/messages/{m.c_name()}.h"' for m in messages] + ['']
    for message in messages:
        lines += message_table(message)
    return '\n'.join(lines)


def split_tables(messages, parts):
    """The tables in a few files of like size, so that they compile side by side."""
    chunks = [[] for _ in range(parts)]
    weights = [0] * parts
    for message in sorted(messages, key=lambda m: -sum(len(s.fields) for s in m.structs())):
        lightest = weights.index(min(weights))
        chunks[lightest].append(message)
        weights[lightest] += 10 + sum(len(s.fields) for s in message.structs())
    return [tables(sorted(chunk, key=lambda m: m.name)) for chunk in chunks]


# ---- lists


def request_and_response(messages):
    found = {}
    for message in messages:
        if message.kind in ('request', 'response'):
            found.setdefault(message.number, {})[message.kind] = message
    return [found[key] for key in sorted(found)]


def api_name(request):
    return request.name[:-len('Request')]


def apis_def(messages):
    lines = ['/* API(key, constant). Made by tools/gen from src/wire/schema/api: edit that. */']
    for pair in request_and_response(messages):
        request = pair['request']
        lines.append(f'API({request.number}, {snake_case(api_name(request)).upper()})')
    return '\n'.join(lines) + '\n'


def pointer(message):
    return 'NULL' if message is None or message.is_gone() else f'&{message.c_name()}_message'


def record_table(c_name, messages):
    by_id = {m.number: m for m in messages}
    return [f'const struct wire_message *const {c_name}[] = {{'] \
        + [f'    {pointer(by_id.get(i))},' for i in range(max(by_id) + 1)] \
        + ['};', f'const uint32_t {c_name}_count = {max(by_id) + 1};', '']


def lists(messages):
    """All messages by name, the messages of each API, and the records of each family by their type."""
    living = [m for m in messages if not m.is_gone()]
    lines = ['/* Lists of messages. Made by tools/gen from src/wire/schema: edit that. */',
             '#include "wire/api.h"', '#include "wire/message_int.h"', '']
    lines += [f'extern const struct wire_message {m.c_name()}_message;' for m in living] + ['']
    lines += ['const struct wire_message *const wire__messages[] = {']
    lines += [f'    {pointer(m)},' for m in living] + ['};', f'const uint32_t wire__message_count = {len(living)};', '']
    lines += ['const struct api wire__apis[API_KEY_COUNT] = {']
    for pair in request_and_response(messages):
        request = pair['request']
        stable = request.stable or request.versions
        listeners = ' | '.join(f'API_ON_{word.upper()}' for word in request.listeners) or '0'
        lines.append(f'    [{request.number}] = {{ {request.number}, "{api_name(request)}", {request.versions.low}, '
                     f'{request.versions.high}, {stable.high}, {listeners}, {pointer(request)}, '
                     f'{pointer(pair["response"])} }},')
    lines += ['};', '']
    for kind in ('metadata-record', 'remote-log-record', 'group-key', 'group-value', 'transaction-key',
                 'transaction-value', 'share-key', 'share-value'):
        lines += record_table(f'wire__{snake_case(kind).replace("-", "_")}s', [m for m in living if m.kind == kind])
    return '\n'.join(lines)


def everything(messages, table_files):
    """File name → content. The first one is a header: dependents wait for it."""
    living = [m for m in messages if not m.is_gone()]
    files = {message.c_name() + '.h': header(message) for message in living}
    files['apis.def'] = apis_def(messages)
    files['lists.c'] = lists(messages)
    for number, text in enumerate(split_tables(living, table_files)):
        files[f'tables_{number}.c'] = text
    return files
