"""The notation of src/wire/schema, read and checked. src/wire/schema/README.md describes it."""

import re
from dataclasses import dataclass, field as dataclass_field
from pathlib import Path
from typing import Optional

VERSION_TOP = 127  # stands for "and all that follow"; the tables hold versions in 8 bits

FIXED_SIZES = {'bool': 1, 'int8': 1, 'int16': 2, 'uint16': 2, 'int32': 4, 'uint32': 4, 'int64': 8,
               'float64': 8, 'uuid': 16}
RUN_TYPES = ('string', 'bytes', 'records')

KINDS = ('request', 'response', 'header', 'data', 'metadata-record', 'remote-log-record',
         'group-key', 'group-value', 'transaction-key', 'transaction-value', 'share-key', 'share-value')

C_WORDS = set('''auto break case char const continue default do double else enum extern float for goto
    if inline int long register restrict return short signed sizeof static struct switch typedef union
    unsigned void volatile while bool true false'''.split())


class SchemaError(Exception):
    pass


@dataclass(frozen=True)
class Versions:
    low: int
    high: int  # below low: none

    @staticmethod
    def parse(text):
        if text == 'none':
            return Versions(0, -1)
        match = re.fullmatch(r'(\d+)(\+|-(\d+))?', text)
        if not match:
            raise SchemaError(f'"{text}" is no range of versions (write 3, 3-5, 3+ or none)')
        low = int(match[1])
        high = low if match[2] is None else VERSION_TOP if match[2] == '+' else int(match[3])
        if high < low or high > VERSION_TOP:
            raise SchemaError(f'"{text}" is no range of versions')
        return Versions(low, high)

    def __contains__(self, version):
        return self.low <= version <= self.high

    def within(self, other):
        return Versions(max(self.low, other.low), min(self.high, other.high))

    def is_empty(self):
        return self.high < self.low

    def __str__(self):
        if self.is_empty():
            return 'none'
        if self.high == VERSION_TOP:
            return f'{self.low}+'
        return f'{self.low}' if self.low == self.high else f'{self.low}-{self.high}'


NONE = Versions(0, -1)
ALL = Versions(0, VERSION_TOP)


@dataclass
class Field:
    name: str
    type: str  # of the element, if array
    versions: Versions
    array: bool = False
    nullable: Versions = NONE
    default: Optional[str] = None
    tag: Optional[int] = None
    key: bool = False
    ignorable: bool = False
    rigid: bool = False  # never in compact form, as the client id of the request header
    entity: Optional[str] = None
    struct: Optional['Struct'] = None

    def json_name(self):
        return camel_case(self.name)

    def is_default_null(self):
        return self.default == 'null'


@dataclass
class Struct:
    name: str
    versions: Versions
    fields: list = dataclass_field(default_factory=list)
    c_name: str = ''

    def tagged(self):
        """Places of the tagged fields, by ascending tag."""
        places = [i for i, f in enumerate(self.fields) if f.tag is not None]
        return sorted(places, key=lambda i: self.fields[i].tag)


@dataclass
class Message:
    kind: str
    name: str
    source: str  # file, relative to the schema folder
    versions: Versions = NONE
    stable: Optional[Versions] = None
    flexible: Versions = NONE
    number: Optional[int] = None  # api key, or type of record
    listeners: tuple = ()
    root: Optional[Struct] = None
    common: dict = dataclass_field(default_factory=dict)

    def c_name(self):
        return snake_case(self.name)

    def is_gone(self):
        return self.versions.is_empty()

    def is_flexible(self, version):
        return version in self.flexible

    def structs(self):
        """Every struct, each after those that it holds."""
        found = []

        def visit(struct, path):
            if struct in path:
                raise SchemaError(f'{self.source}: {self.name}, {struct.name} holds itself')
            for f in struct.fields:
                if f.struct is not None:
                    visit(f.struct, path + [struct])
            if not any(struct is s for s in found):
                found.append(struct)

        visit(self.root, [])
        return found


def snake_case(name):
    name = re.sub(r'([A-Z]+)([A-Z][a-z])', r'\1_\2', name)
    return re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name).lower().replace('k_raft', 'kraft')


def camel_case(name):
    words = ['KRaft' if w == 'kraft' else w[:1].upper() + w[1:] for w in name.split('_')]
    joined = ''.join(words)
    return joined[0].lower() + joined[1:]


def struct_c_name(message, struct):
    """FetchTopic of FetchRequest: fetch_request_topic. The message's own word is not said twice."""
    short = struct.name
    base = re.sub(r'(Request|Response|Record|Key|Value|Data)$', '', message.name)
    for word in (message.name, base):
        if re.match(word + '[A-Z]', short):
            short = short[len(word):]
            break
    return f'{message.c_name()}_{snake_case(short)}'


class Parser:
    """One file. A line belongs to the nearest line above it that is indented less."""

    def __init__(self, path, shown):
        self.shown = shown
        self.lines = []
        for number, text in enumerate(path.read_text().splitlines(), 1):
            bare = text.split('#', 1)[0].rstrip()
            if bare:
                self.lines.append((number, len(bare) - len(bare.lstrip()), bare.strip()))
        self.at = 0

    def fail(self, number, words):
        raise SchemaError(f'{self.shown}:{number}: {words}')

    def messages(self):
        found = []
        while self.at < len(self.lines):
            found.append(self.message())
        return found

    def message(self):
        number, indent, text = self.lines[self.at]
        match = re.fullmatch(r'([a-z-]+) ([A-Z]\w*)', text)
        if indent != 0 or not match or match[1] not in KINDS:
            self.fail(number, f'a message begins with its kind ({", ".join(KINDS)}) and its name')
        self.at += 1
        message = Message(kind=match[1], name=match[2], source=self.shown)
        self.properties(message)
        message.root = Struct(message.name, ALL)
        while self.at < len(self.lines) and self.lines[self.at][1] > 0:
            number, indent, text = self.lines[self.at]
            match = re.fullmatch(r'struct ([A-Z]\w*) (\S+)', text)
            if match:
                self.at += 1
                if match[1] in message.common:
                    self.fail(number, f'struct {match[1]} is described twice')
                try:
                    struct = Struct(match[1], Versions.parse(match[2]))
                except SchemaError as error:
                    self.fail(number, error)
                message.common[match[1]] = struct
                struct.fields = self.fields(message, indent)
            else:
                message.root.fields.append(self.field(message))
        self.resolve(message, number)
        return message

    def properties(self, message):
        while self.at < len(self.lines):
            number, indent, text = self.lines[self.at]
            words = text.split()
            if indent == 0 or words[0] not in ('api', 'id', 'versions', 'stable', 'flexible', 'listeners'):
                return
            self.at += 1
            try:
                if words[0] in ('api', 'id'):
                    message.number = int(words[1])
                elif words[0] == 'listeners':
                    message.listeners = tuple(words[1:])
                else:
                    setattr(message, words[0], Versions.parse(words[1]))
            except (SchemaError, IndexError, ValueError) as error:
                self.fail(number, error)

    def fields(self, message, indent):
        found = []
        while self.at < len(self.lines) and self.lines[self.at][1] > indent:
            found.append(self.field(message))
        return found

    FIELD = re.compile(r'''(?P<versions>\S+)\s+(?P<name>[a-z][a-z0-9_]*):\s+
                           (?P<type>\[\w+\]|\w+)(?P<null>\?\S*)?
                           (\ =\ (?P<default>\S+))?(?P<rest>.*)''', re.VERBOSE)

    def field(self, message):
        number, indent, text = self.lines[self.at]
        self.at += 1
        match = self.FIELD.fullmatch(text)
        if not match:
            self.fail(number, 'a field is written: versions name: type = default  attributes')
        try:
            versions = Versions.parse(match['versions'])
            null = match['null']
            nullable = NONE if null is None else versions if null == '?' else Versions.parse(null[1:])
        except SchemaError as error:
            self.fail(number, error)
        field = Field(name=match['name'], type=match['type'].strip('[]'), versions=versions,
                      array=match['type'].startswith('['), nullable=nullable, default=match['default'])
        self.attributes(field, number, match['rest'].split())
        inner = self.fields(message, indent)
        if inner:
            field.struct = Struct(field.type, versions, inner)
            if field.type in message.common:
                self.fail(number, f'struct {field.type} is described twice')
            message.common[field.type] = field.struct
        return field

    def attributes(self, field, number, words):
        words = list(words)
        while words:
            word = words.pop(0)
            if word in ('key', 'ignorable', 'rigid'):
                setattr(field, word, True)
            elif word in ('tag', 'entity') and words:
                value = words.pop(0)
                if word == 'tag' and not value.isdigit():
                    self.fail(number, 'a tag is a number')
                setattr(field, word, int(value) if word == 'tag' else value)
            else:
                self.fail(number, f'"{word}" is no attribute (tag N, key, ignorable, rigid, entity NAME)')

    def resolve(self, message, number):
        """Ties uses of shared structs to their description."""
        used = set()

        def visit(struct):
            for f in struct.fields:
                if f.type in FIXED_SIZES or f.type in RUN_TYPES:
                    continue
                if f.struct is None:
                    if f.type not in message.common:
                        self.fail(number, f'{message.name}: type {f.type} of {f.name} is not known')
                    f.struct = message.common[f.type]
                if f.type not in used:
                    used.add(f.type)
                    visit(f.struct)

        visit(message.root)
        unused = set(message.common) - used
        if unused:
            self.fail(number, f'{message.name}: struct {unused.pop()} is not used')


def check_field(message, struct, f):
    where = f'{message.source}: {message.name}, {struct.name}.{f.name}'
    if f.name in C_WORDS or f.name == 'unknown_tags':
        raise SchemaError(f'{where}: the name is a word of C or taken')
    if f.struct is not None and f.versions.within(message.versions).within(f.struct.versions) \
            != f.versions.within(message.versions):
        raise SchemaError(f'{where}: struct {f.type} exists in versions {f.struct.versions} only')
    if f.array and f.type in ('bool', 'float64', 'bytes', 'records'):
        raise SchemaError(f'{where}: arrays of {f.type} are not known to the interpreter')
    if f.tag is not None and f.versions.within(message.versions).low not in message.flexible:
        raise SchemaError(f'{where}: tagged fields exist in flexible versions only')
    if not f.nullable.is_empty() and not f.array and f.type in FIXED_SIZES:
        raise SchemaError(f'{where}: {f.type} cannot be null')
    if f.default is not None:
        is_number = not f.array and f.type in FIXED_SIZES and f.type != 'uuid'
        if f.is_default_null():
            if f.nullable.is_empty():
                raise SchemaError(f'{where}: the default is null, but null is not allowed')
        elif not is_number or not re.fullmatch(r'-?\d+|0x[0-9a-f]+|true|false', f.default):
            raise SchemaError(f'{where}: "{f.default}" is no default for this type')


def check_message(message):
    where = f'{message.source}: {message.name}'
    if message.is_gone():
        return
    if message.kind not in ('header', 'data') and message.number is None:
        raise SchemaError(f'{where}: it needs a number (api N, id N)')
    if message.versions.high == VERSION_TOP:
        raise SchemaError(f'{where}: the highest version must be said')
    names = set()
    for struct in message.structs():
        struct.c_name = message.c_name() if struct is message.root else struct_c_name(message, struct)
        if struct.c_name in names:
            raise SchemaError(f'{where}: two structs are called {struct.c_name} in C')
        names.add(struct.c_name)
        members = [f.name for f in struct.fields] + [f.name + '_count' for f in struct.fields if f.array]
        if len(members) != len(set(members)):
            raise SchemaError(f'{where}: two members of {struct.name} have one name')
        tags = [f.tag for f in struct.fields if f.tag is not None]
        if sorted(tags) != list(range(len(tags))):
            raise SchemaError(f'{where}: tags of {struct.name} are not 0, 1, 2 …')
        for f in struct.fields:
            check_field(message, struct, f)


def load(root, paths):
    """Every message of the files, by name."""
    messages = []
    for path in sorted(paths):
        shown = str(Path(path).resolve().relative_to(Path(root).resolve()))
        messages += Parser(Path(path), shown).messages()
    seen = set()
    for message in messages:
        check_message(message)
        for struct in [] if message.is_gone() else message.structs():
            if struct.c_name in seen:
                raise SchemaError(f'{message.source}: struct {struct.c_name} exists twice')
            seen.add(struct.c_name)
    return sorted(messages, key=lambda m: m.name)
