/**
 * Both codecs by the shapes alone: the same value written as JSON and as a form is read as the same,
 * and an answer says the same in JSON and in XML.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ACTIONS } from './actions.ts';
import { SqsError } from './errors.ts';
import { decodeJson, encodeJson } from './json.ts';
import { decodeQuery, readParameters } from './query.ts';
import {
  BLOB,
  BOOLEAN,
  INTEGER,
  list,
  map,
  optional,
  required,
  type Shape,
  structure,
  TEXT,
} from './shapes.ts';
import { encodeXml, escapeXml } from './xml.ts';

const ENTRY = structure({ Id: required(TEXT), Bytes: optional(BLOB), Flag: optional(BOOLEAN) });
const SHAPE = structure({
  Name: optional(TEXT),
  Count: optional(INTEGER),
  Names: optional(list('NameEntry', TEXT)),
  Tags: optional(map('Tag', 'Key', 'Value', TEXT)),
  Entries: optional(list('Entry', ENTRY)),
  ByName: optional(map('Named', 'Name', 'Value', ENTRY)),
});
type Values = Record<string, unknown>;

const TRICKY = [
  '',
  'plain',
  'a"b\\c\u2028\u007f',
  'x'.repeat(2000),
  'a b+c&d=e%f',
  'Ünïcödé ሴ 🎉',
  '<&>"\'',
  '1.5',
  '\t\n',
];

function ignore(): void {}

/** `text` as a form has it: one character for each byte. */
function formText(text: string): string {
  return encodeURIComponent(text);
}

function formPairs(value: unknown, shape: Shape, path: string): string[] {
  switch (shape.type) {
    case 'structure':
      return Object.entries(value as Values).flatMap(([name, item]) => {
        const member = shape.members[name]!.shape;
        const called = member.type === 'list' || member.type === 'map' ? member.item : name;
        return formPairs(item, member, path === '' ? called : `${path}.${called}`);
      });
    case 'list':
      return (value as unknown[]).flatMap((item, i) =>
        formPairs(item, shape.of, `${path}.${i + 1}`),
      );
    case 'map':
      return Object.entries(value as Values).flatMap(([key, item], i) => [
        `${path}.${i + 1}.${shape.keyName}=${formText(key)}`,
        ...formPairs(item, shape.of, `${path}.${i + 1}.${shape.valueName}`),
      ]);
    case 'blob':
      return [`${path}=${formText(Buffer.from(value as Uint8Array).toString('base64'))}`];
    default:
      return [`${path}=${formText(String(value))}`];
  }
}

function fromForm(values: Values): Values {
  const parameters = new Map<string, string>();
  readParameters(formPairs(values, SHAPE, '').join('&'), parameters);
  return decodeQuery(parameters, SHAPE, (name) => assert.fail(`${name} is not known`));
}

function fromJson(values: Values): Values {
  const bytes = Buffer.from(encodeJson(values, SHAPE));
  return decodeJson(bytes, SHAPE, (name) => assert.fail(`${name} is not known`));
}

/** Maps have no prototype when they are read. */
function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return value.map((item) => comparable(item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, comparable(item)]));
}

const VALUES: readonly Values[] = [
  {},
  ...TRICKY.map((text) => ({ Name: text })),
  { Count: 0 },
  { Count: -7, Name: 'x' },
  { Names: TRICKY },
  { Names: Array.from({ length: 12 }, (_, i) => `n${i}`) },
  { Tags: { a: 'b', 'a.b': 'c', [TRICKY[3]!]: TRICKY[2]! } },
  {
    Entries: [
      { Id: '1', Bytes: Buffer.from([0, 255, 128, 10]) },
      { Id: '2', Flag: true },
    ],
  },
  { ByName: { x: { Id: 'a', Bytes: Buffer.alloc(0) }, y: { Id: 'b', Flag: false } } },
];

describe('what is written as JSON and as a form is read as it was', () => {
  for (const values of VALUES) {
    test(JSON.stringify(comparable(values)).slice(0, 60), () => {
      assert.deepEqual(comparable(fromJson(values)), comparable(values));
      assert.deepEqual(comparable(fromForm(values)), comparable(values));
    });
  }

  test('a form may say spaces as plus signs, leave gaps, and repeat names', () => {
    const parameters = new Map<string, string>();
    readParameters('Name=first&Name=a+b&NameEntry.9=y&NameEntry.2=x', parameters);
    const values = decodeQuery(parameters, SHAPE, ignore);
    assert.deepEqual(values, { Name: 'a b', Names: ['x', 'y'] });
  });

  test('names that objects have anyway are only names', () => {
    const input = `{"Tags":{"__proto__":"x","constructor":"y"}}`;
    const { Tags } = decodeJson(Buffer.from(input), SHAPE, ignore) as { Tags: Values };
    assert.deepEqual(Object.keys(Tags), ['__proto__', 'constructor']);
    assert.equal(encodeJson({ Tags }, SHAPE), input);
  });
});

describe('what an answer holds', () => {
  test('is not changed by being written', () => {
    const values = { Entries: [{ Id: '1', Bytes: Buffer.from('abc') }], Name: 'x' };
    const before = structuredClone(comparable(values));
    assert.equal(encodeJson(values, SHAPE), '{"Name":"x","Entries":[{"Id":"1","Bytes":"YWJj"}]}');
    assert.deepEqual(comparable(values), before);
  });

  test('bytes anywhere are base64, also a window of others', () => {
    const window = new Uint8Array(Buffer.from('xabcx')).subarray(1, 4);
    const values = { ByName: { x: { Id: 'a', Bytes: window } }, Names: ['n'] };
    assert.equal(
      encodeJson(values, SHAPE),
      '{"Names":["n"],"ByName":{"x":{"Id":"a","Bytes":"YWJj"}}}',
    );
    assert.equal(
      encodeXml('Do', values, SHAPE, 'id'),
      '<?xml version="1.0"?><DoResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/">' +
        '<DoResult><NameEntry>n</NameEntry><Named><Name>x</Name><Value><Id>a</Id>' +
        '<Bytes>YWJj</Bytes></Value></Named></DoResult>' +
        '<ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></DoResponse>',
    );
  });

  test('is written as any JSON writer does, but for the order', () => {
    for (const text of [...TRICKY, '\u0000\u001f', '\ud800', '~ !#[]', `${'x'.repeat(600)}"`]) {
      const values = {
        Name: text,
        Count: -1,
        Tags: { [text]: text },
        Entries: [{ Id: text, Flag: true }],
      };
      assert.deepEqual(JSON.parse(encodeJson(values, SHAPE)), values);
      assert.equal(encodeJson({ Name: text }, SHAPE), JSON.stringify({ Name: text }));
    }
    assert.equal(encodeJson({ Names: [], Tags: {} }, SHAPE), '{"Names":[],"Tags":{}}');
    assert.equal(encodeJson({}, SHAPE), '{}');
  });

  test('that is not there is left out', () => {
    const Messages = [{ MessageId: 'm', Body: 'b', MessageAttributes: undefined }];
    const { output } = ACTIONS.ReceiveMessage;
    assert.equal(encodeJson({ Messages }, output), '{"Messages":[{"MessageId":"m","Body":"b"}]}');
  });
});

test('XML says what has no form of its own by references, and what it cannot say not at all', () => {
  assert.equal(escapeXml('a<b>&"c\'\r\n\t'), "a&lt;b&gt;&amp;&quot;c'&#xD;\n\t");
  assert.equal(escapeXml('🎉 ü ሴ'), '🎉 ü ሴ');
  assert.equal(escapeXml('\u0001\ufffe\ud800x'), '\ufffd\ufffd\ufffdx');
});

describe('refused', () => {
  const FORMS = [
    'Count=1.5',
    'Count=x',
    'Entry.1.Flag=yes&Entry.1.Id=a',
    'Entry.1.Bytes=%21&Entry.1.Id=a',
    'Entry.1.Flag=true',
    'Name=%zz',
    'Name=%ff',
    'Tag.1.Key=a',
    'Tag.1.Value=a',
    'a.b.c.d.e.f.g.h.i=1',
  ];
  for (const form of FORMS) {
    test(`the form ${form}`, () => {
      const read = () => {
        const parameters = new Map<string, string>();
        readParameters(form, parameters);
        return decodeQuery(parameters, SHAPE, ignore);
      };
      assert.throws(read, SqsError);
    });
  }
  const JSONS = [
    '[]',
    '{',
    '"x"',
    'null',
    '{"Name":1}',
    '{"Name":["x"]}',
    '{"Count":"1"}',
    '{"Names":"x"}',
    '{"Names":[null]}',
    '{"Tags":[]}',
    '{"Tags":{"a":null}}',
    '{"Entries":[{}]}',
    '{"Entries":[{"Id":"a","Bytes":"!"}]}',
    '{"Entries":[{"Id":"a","Flag":"true"}]}',
  ];
  for (const text of JSONS) {
    test(`the JSON ${text}`, () => {
      assert.throws(() => decodeJson(Buffer.from(text), SHAPE, ignore), SqsError);
    });
  }

  test('JSON that is no UTF-8', () => {
    const bytes = Buffer.from('{"Name":"ü"}', 'latin1');
    assert.throws(() => decodeJson(bytes, SHAPE, ignore), { shape: 'SerializationException' });
  });
});
