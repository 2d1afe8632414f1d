#!/usr/bin/env python3
"""Tests of the generator on small schemas: the model, the C that comes out, and the words for each mistake."""

import sys
import tempfile
import unittest
from pathlib import Path

import emit
import schema
import straight


def load(text):
    with tempfile.TemporaryDirectory() as root:
        path = Path(root, 'test.msg')
        path.write_text(text)
        return schema.load(root, [path])


def data(fields, versions='0-3', flexible='2+'):
    return load(f'data Thing\n  versions {versions}\n  flexible {flexible}\n\n{fields}')[0]


class Names(unittest.TestCase):
    def test_snake_and_camel_are_each_others_inverse(self):
        for camel, snake in (('clusterId', 'cluster_id'), ('kRaftVersion', 'kraft_version'), ('isr', 'isr'),
                             ('enable2Pc', 'enable2_pc'), ('v3AndBelowTopics', 'v3_and_below_topics')):
            self.assertEqual(schema.camel_case(snake), camel)
            self.assertEqual(schema.snake_case(camel[0].upper() + camel[1:]), snake)

    def test_a_struct_does_not_repeat_the_message(self):
        message = load('request FetchRequest\n  api 1\n  versions 0\n  flexible none\n  0+ a: [FetchTopic]\n'
                       '    0+ b: [FetchableThing]\n      0+ c: int8\n')[0]
        self.assertEqual([s.c_name for s in message.structs()],
                         ['fetch_request_fetchable_thing', 'fetch_request_topic', 'fetch_request'])


class Reading(unittest.TestCase):
    def test_a_field(self):
        f = data('  1-2 name: [string]?2+ = null  tag 0  ignorable  entity topic_name', flexible='0+').root.fields[0]
        self.assertEqual((f.name, f.type, f.array, f.tag, f.ignorable, f.entity),
                         ('name', 'string', True, 0, True, 'topic_name'))
        self.assertEqual((str(f.versions), str(f.nullable), f.default), ('1-2', '2+', 'null'))

    def test_comments_and_empty_lines_are_nothing(self):
        self.assertEqual(len(data('  # nothing\n\n  0+ a: int8 # a number').root.fields), 1)

    def test_shared_structs_are_used_by_name(self):
        message = data('  struct Pair 0+\n    0+ x: int8\n  0+ a: Pair\n  0+ b: [Pair]')
        self.assertIs(message.root.fields[0].struct, message.root.fields[1].struct)


class Mistakes(unittest.TestCase):
    def refused(self, words, fields, **kind):
        with self.assertRaises(schema.SchemaError) as caught:
            data(fields, **kind)
        self.assertIn(words, str(caught.exception))
        self.assertIn('test.msg', str(caught.exception))

    def test_each_is_named(self):
        for words, fields in (
                ('a field is written', '  0+ Name: int8'),
                ('a field is written', '  0+ name int8'),
                ('is no range of versions', '  2-1 a: int8'),
                ('is no range of versions', '  x a: int8'),
                ('is no attribute', '  0+ a: int8  keys'),
                ('a tag is a number', '  2+ a: int8  tag x'),
                ('tags of Thing are not 0, 1, 2', '  2+ a: int8  tag 1'),
                ('tagged fields exist in flexible versions only', '  1+ a: int8  tag 0'),
                ('type Thong of a is not known', '  0+ a: Thong'),
                ('is described twice', '  0+ a: Pair\n    0+ x: int8\n  0+ b: Pair\n    0+ x: int8'),
                ('is not used', '  struct Pair 0+\n    0+ x: int8\n  0+ a: int8'),
                ('exists in versions 1+ only', '  struct Pair 1+\n    1+ x: int8\n  0+ a: Pair'),
                ('holds itself', '  struct Pair 0+\n    0+ x: [Pair]\n  0+ a: Pair'),
                ('int8 cannot be null', '  0+ a: int8?'),
                ('null is not allowed', '  0+ a: string = null'),
                ('is no default', '  0+ a: string = x'),
                ('is no default', '  0+ a: int8 = x'),
                ('is a word of C', '  0+ register: int8'),
                ('two members of Thing', '  0+ a: [int8]\n  0+ a_count: int8'),
                ('arrays of bytes', '  0+ a: [bytes]')):
            with self.subTest(fields):
                self.refused(words, fields)

    def test_of_a_whole_message(self):
        self.refused('the highest version must be said', '  0+ a: int8', versions='0+')
        with self.assertRaisesRegex(schema.SchemaError, 'a message begins with its kind'):
            load('thing Thing\n')
        with self.assertRaisesRegex(schema.SchemaError, 'it needs a number'):
            load('request ThingRequest\n  versions 0\n  flexible none\n')


class Emitting(unittest.TestCase):
    def test_the_smallest_size_of_a_struct(self):
        message = data('  0+ a: int32\n  1+ b: string\n  0-2 c: [int8]?\n  2+ d: int64  tag 0\n  3+ e: bytes')
        self.assertEqual([emit.size_min(message, message.root, v) for v in range(4)], [8, 10, 7, 7])

    def test_a_header_declares_members_and_defaults(self):
        text = emit.header(data('  0+ a: int32 = -1\n  1+ b: [string]?'))
        self.assertIn('    int32_t a; /* default -1 */\n', text)
        self.assertIn('    struct bytes *b; /* 1+, may be null */\n    int32_t b_count;\n', text)
        self.assertIn('extern const struct thing thing_default;', text)

    def test_tables_hold_defaults(self):
        text = emit.tables([data('  0+ a: int32 = -1\n  0+ b: string\n  0+ c: [int8]? = null')])
        self.assertIn('thing_default = { .a = -1, .b = WIRE_EMPTY_RUN, .c_count = -1 };', text)

    def test_the_first_file_is_a_header(self):
        files = emit.everything([data('  0+ a: int8')] + load(APIS), 2)
        self.assertTrue(next(iter(files)).endswith('.h'))
        self.assertIn('API(0, THING)', files['apis.def'])

    def test_straight_line_code_refuses_what_it_does_not_know(self):
        with self.assertRaisesRegex(schema.SchemaError, 'straight-line code does not know'):
            straight.code(data('  0+ a: uint16'))


# Lists want one message of every family.
APIS = ('request ThingRequest\n  api 0\n  versions 0-1\n  stable 0\n  flexible none\n  listeners broker\n'
        'response ThingResponse\n  api 0\n  versions 0-1\n  flexible none\n'
        + ''.join(f'{kind} R{i}\n  id 0\n  versions 0\n  flexible none\n'
                  for i, kind in enumerate(k for k in schema.KINDS if '-' in k)))


if __name__ == '__main__':
    result = unittest.main(exit=False, verbosity=0).result
    bad = len(result.failures) + len(result.errors)
    print(f'{result.testsRun - bad} passed, {bad} failed')
    sys.exit(1 if bad else 0)
