import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import {
  type Answer,
  formRequest,
  getRequest,
  jsonRequest,
  SqsPeer,
} from '#test/drive/sqs-peer.ts';

const QueueUrl = 'http://localhost:9324/000000000000/orders';
const ORDERS = '/000000000000/orders';

let memory: MemoryBroker;
let peer: SqsPeer;

before(async () => {
  memory = await MemoryBroker.open();
  peer = new SqsPeer(memory);
  await peer.json('CreateQueue', { QueueName: 'orders', Attributes: { VisibilityTimeout: '0' } });
});

function errorOf({ body }: Answer): { shape: string; message: string } {
  const { __type: shape, message } = JSON.parse(body) as Record<string, string>;
  return { shape: shape!, message: message! };
}

const QUERY_MODE = { fields: ['x-amzn-query-mode: true'] };

describe('JSON 1.0', () => {
  test('an answer has its type, a request id and a date', async () => {
    const { status, fields, body } = await peer.ask(jsonRequest('ListQueues'));
    assert.equal(status, 200);
    assert.equal(body, `{"QueueUrls":["${QueueUrl}"]}`);
    assert.equal(fields.get('content-type'), 'application/x-amz-json-1.0');
    assert.match(fields.get('x-amzn-requestid')!, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.equal(Date.parse(fields.get('date')!), memory.nowMs);
    assert.equal(fields.get('connection'), undefined);
  });

  test('an action without output answers with an empty structure', async () => {
    const { body } = await peer.ask(jsonRequest('TagQueue', { QueueUrl, Tags: { a: 'b' } }));
    assert.equal(body, '{}');
  });

  test('on a queue URL, with parameters in the content type, with nulls', async () => {
    const request = jsonRequest(
      'SendMessage',
      { QueueUrl, MessageBody: 'x', DelaySeconds: null },
      { path: ORDERS },
    );
    const text = request.toString().replace('json-1.0', 'json-1.0; charset=utf-8');
    assert.equal((await peer.ask(Buffer.from(text))).status, 200);
  });

  const REFUSED: readonly [
    name: string,
    action: string,
    input: unknown,
    type: string,
    text: RegExp,
  ][] = [
    [
      'an unknown action',
      'Nothing',
      {},
      'com.amazon.coral.service#UnknownOperationException',
      /not known/,
    ],
    [
      'no JSON',
      'ListQueues',
      '{"a":',
      'com.amazon.coral.service#SerializationException',
      /not valid JSON/,
    ],
    [
      'no UTF-8',
      'ListQueues',
      Buffer.from('{"QueueNamePrefix":"\xff"}', 'latin1'),
      'com.amazon.coral.service#SerializationException',
      /not UTF-8/,
    ],
    [
      'a list',
      'ListQueues',
      '[]',
      'com.amazon.coral.service#SerializationException',
      /^Start of list found where not expected$/,
    ],
    [
      'a text',
      'ListQueues',
      '"x"',
      'com.amazon.coral.service#SerializationException',
      /structure or map was expected/,
    ],
    [
      'a number where text is',
      'GetQueueUrl',
      { QueueName: 1 },
      'com.amazon.coral.service#SerializationException',
      /^NUMBER_VALUE cannot be converted to String$/,
    ],
    [
      'text where a number is',
      'ReceiveMessage',
      { QueueUrl, WaitTimeSeconds: '1' },
      'com.amazon.coral.service#SerializationException',
      /^STRING_VALUE cannot be converted to Integer$/,
    ],
    [
      'true where text is',
      'GetQueueUrl',
      { QueueName: true },
      'com.amazon.coral.service#SerializationException',
      /^TRUE_VALUE cannot be converted to String$/,
    ],
    [
      'a map where text is',
      'GetQueueUrl',
      { QueueName: {} },
      'com.amazon.coral.service#SerializationException',
      /^Start of structure or map found where not expected.$/,
    ],
    [
      'text where a list is',
      'GetQueueAttributes',
      { QueueUrl, AttributeNames: 'All' },
      'com.amazon.coral.service#SerializationException',
      /a list was expected/,
    ],
    [
      'a null in a list',
      'GetQueueAttributes',
      { QueueUrl, AttributeNames: [null] },
      'com.amazon.coral.service#SerializationException',
      /may not hold null/,
    ],
    [
      'bytes that are no base64',
      'SendMessage',
      {
        QueueUrl,
        MessageBody: 'x',
        MessageAttributes: { a: { DataType: 'Binary', BinaryValue: '%' } },
      },
      'com.amazon.coral.service#SerializationException',
      /base64/,
    ],
    [
      'a parameter that is not there',
      'GetQueueUrl',
      {},
      'com.amazon.coral.service#MissingRequiredParameterException',
      /^The request must contain the parameter QueueName.$/,
    ],
    [
      'a null instead of it',
      'GetQueueUrl',
      { QueueName: null },
      'com.amazon.coral.service#MissingRequiredParameterException',
      /parameter QueueName/,
    ],
    [
      'no queue URL',
      'ReceiveMessage',
      {},
      'com.amazon.coral.service#MissingRequiredParameterException',
      /parameter QueueUrl/,
    ],
    [
      'an entry without an id',
      'SendMessageBatch',
      { QueueUrl, Entries: [{ Id: 'a', MessageBody: 'x' }, { MessageBody: 'x' }] },
      'com.amazon.coral.service#MissingRequiredParameterException',
      /parameter SendMessageBatchRequestEntry.2.Id/,
    ],
    [
      'a URL of something else',
      'ReceiveMessage',
      { QueueUrl: 'http://h/a/b/c' },
      'com.amazonaws.sqs#InvalidAddress',
      /^The address http:\/\/h\/a\/b\/c is not valid for this endpoint.$/,
    ],
    [
      'a URL without a queue',
      'ReceiveMessage',
      { QueueUrl: 'http://h' },
      'com.amazonaws.sqs#QueueDoesNotExist',
      /^The specified queue does not exist.$/,
    ],
    [
      'a queue that is not there',
      'ReceiveMessage',
      { QueueUrl: 'http://h/0/none' },
      'com.amazonaws.sqs#QueueDoesNotExist',
      /^The specified queue does not exist.$/,
    ],
  ];
  for (const [name, action, input, type, text] of REFUSED) {
    test(`refused: ${name}`, async () => {
      const answer = await peer.ask(jsonRequest(action, input));
      const error = errorOf(answer);
      assert.equal(error.shape, type);
      assert.match(error.message, text);
      assert.equal(answer.status, type.endsWith('InvalidAddress') ? 404 : 400);
      assert.equal(answer.fields.get('x-amzn-query-error'), undefined);
      assert.equal(peer.ended, false);
    });
  }

  test('the codes of the Query protocol come along for who asks', async () => {
    const codes: [string, unknown, string][] = [
      ['GetQueueUrl', { QueueName: 'none' }, 'AWS.SimpleQueueService.NonExistentQueue;Sender'],
      ['GetQueueUrl', {}, 'MissingParameter;Sender'],
      [
        'CreateQueue',
        { QueueName: 'orders', Attributes: { DelaySeconds: '9' } },
        'QueueAlreadyExists;Sender',
      ],
      ['DeleteMessage', { QueueUrl, ReceiptHandle: 'x' }, 'ReceiptHandleIsInvalid;Sender'],
    ];
    for (const [action, input, code] of codes) {
      const { fields } = await peer.ask(jsonRequest(action, input, QUERY_MODE));
      assert.equal(fields.get('x-amzn-query-error'), code);
    }
  });

  test('a GET does nothing', async () => {
    const answer = await peer.ask(
      getRequest(
        '/',
        'X-Amz-Target: AmazonSQS.ListQueues',
        'Content-Type: application/x-amz-json-1.0',
      ),
    );
    assert.equal(answer.status, 400);
    assert.match(answer.body, /UnknownOperationException/);
  });

  test('what SQS does not have is read over, and said once', async () => {
    for (let i = 0; i < 3; i++) await peer.json('ListQueues', { Wonder: 1, __proto__x: 2 });
    const said = memory.warnings.filter(({ fields }) => fields['parameter'] === 'Wonder');
    assert.deepEqual(
      said.map(({ fields }) => fields['action']),
      ['ListQueues'],
    );
  });

  test('names are only names', async () => {
    const input = `{"QueueUrl":"${QueueUrl}","MessageBody":"x","MessageAttributes":{"__proto__":{"DataType":"String","StringValue":"v"}}}`;
    assert.equal((await peer.ask(jsonRequest('SendMessage', input))).status, 200);
    const { Messages } = await peer.json('ReceiveMessage', {
      QueueUrl,
      MessageAttributeNames: ['__proto__'],
      MaxNumberOfMessages: 10,
    });
    const names = Messages!.map((m: object) =>
      Object.keys(Reflect.get(m, 'MessageAttributes') ?? {}),
    );
    assert.ok(names.flat().includes('__proto__'));
    await peer.json('PurgeQueue', { QueueUrl });
  });
});

describe('Query', () => {
  test('an answer is XML', async () => {
    const { status, fields, body } = await peer.ask(
      formRequest('Action=GetQueueUrl&QueueName=orders&Version=2012-11-05'),
    );
    assert.equal(status, 200);
    assert.equal(fields.get('content-type'), 'text/xml');
    assert.equal(
      body,
      '<?xml version="1.0"?><GetQueueUrlResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/">' +
        `<GetQueueUrlResult><QueueUrl>${QueueUrl}</QueueUrl></GetQueueUrlResult>` +
        `<ResponseMetadata><RequestId>${fields.get('x-amzn-requestid')}</RequestId>` +
        '</ResponseMetadata></GetQueueUrlResponse>',
    );
  });

  test('lists and maps are flattened, in and out', async () => {
    const sent = await peer.ask(
      formRequest(
        'Action=SendMessageBatch&SendMessageBatchRequestEntry.2.Id=b&' +
          'SendMessageBatchRequestEntry.2.MessageBody=%C3%A4+%3C%26%3E%0D%0A%22&' +
          'SendMessageBatchRequestEntry.2.MessageAttribute.1.Name=n&' +
          'SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.DataType=Number&' +
          'SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.StringValue=1&' +
          'SendMessageBatchRequestEntry.2.MessageAttribute.3.Name=b&' +
          'SendMessageBatchRequestEntry.2.MessageAttribute.3.Value.DataType=Binary&' +
          'SendMessageBatchRequestEntry.2.MessageAttribute.3.Value.BinaryValue=AQI%3D&' +
          'SendMessageBatchRequestEntry.10.Id=c&SendMessageBatchRequestEntry.10.MessageBody=',
        { path: ORDERS },
      ),
    );
    assert.equal(sent.status, 200, sent.body);
    assert.match(sent.body, /<SendMessageBatchResultEntry><Id>b<\/Id><MessageId>/);
    assert.match(
      sent.body,
      /<BatchResultErrorEntry><Id>c<\/Id><SenderFault>true<\/SenderFault><Code>MissingParameter<\/Code>/,
    );
    const got = await peer.ask(
      getRequest(
        `${ORDERS}?Action=ReceiveMessage&MessageAttributeName.1=All&MaxNumberOfMessages=10`,
      ),
    );
    assert.match(got.body, /<Body>ä &lt;&amp;&gt;&#xD;\n&quot;<\/Body>/);
    assert.match(
      got.body,
      /<MessageAttribute><Name>b<\/Name><Value><DataType>Binary<\/DataType><BinaryValue>AQI=<\/BinaryValue><\/Value><\/MessageAttribute>/,
    );
    const set = formRequest(
      'Action=SetQueueAttributes&Attribute.Name=DelaySeconds&Attribute.Value=1&QueueUrl=orders',
    );
    assert.equal((await peer.ask(set)).status, 200);
    const all = await peer.ask(getRequest(`${ORDERS}?Action=GetQueueAttributes&AttributeName=All`));
    assert.match(all.body, /<Attribute><Name>DelaySeconds<\/Name><Value>1<\/Value><\/Attribute>/);
    await peer.json('SetQueueAttributes', { QueueUrl, Attributes: { DelaySeconds: '0' } });
    await memory.advance(61_000);
    await peer.json('PurgeQueue', { QueueUrl });
  });

  test('an empty result is an empty element; none is none', async () => {
    const empty = await peer.ask(getRequest(`${ORDERS}/?Action=ReceiveMessage`));
    assert.match(empty.body, /<ReceiveMessageResult\/>/);
    const none = await peer.ask(getRequest(`${ORDERS}?Action=UntagQueue&TagKey.1=a`));
    assert.doesNotMatch(none.body, /Result/);
  });

  const xml = (code: string, message: string): string =>
    `<Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message><Detail/></Error>`;
  const REFUSED: readonly [name: string, request: Buffer, status: number, body: string][] = [
    ['no action', getRequest('/'), 404, '<UnknownOperationException/>'],
    ['no action on a queue URL', getRequest(ORDERS), 404, '<UnknownOperationException/>'],
    [
      'an unknown action',
      getRequest('/?Action=FooBar'),
      400,
      xml('InvalidAction', 'The action FooBar is not valid for this endpoint.'),
    ],
    [
      'an action that is none of a queue',
      getRequest(`${ORDERS}?Action=ListQueues`),
      400,
      xml('InvalidAction', 'The action ListQueues is not valid for this endpoint.'),
    ],
    [
      'another version',
      getRequest('/?Action=ListQueues&Version=2008-01-01'),
      400,
      xml(
        'NoSuchVersion',
        'The requested version ( 2008-01-01 ) of service AmazonSQS does not exist',
      ),
    ],
    [
      'a parameter that is not there',
      getRequest(`${ORDERS}?Action=SendMessage`),
      400,
      xml('MissingParameter', 'The request must contain the parameter MessageBody.'),
    ],
    [
      'a number that is none',
      getRequest(`${ORDERS}?Action=ReceiveMessage&WaitTimeSeconds=x`),
      400,
      xml(
        'MalformedInput',
        'Value (x) for parameter WaitTimeSeconds is invalid. Must be an integer.',
      ),
    ],
    [
      'an entry without an id',
      formRequest('Action=DeleteMessageBatch&DeleteMessageBatchRequestEntry.3.ReceiptHandle=x', {
        path: ORDERS,
      }),
      400,
      xml(
        'MissingParameter',
        'The request must contain the parameter DeleteMessageBatchRequestEntry.3.Id.',
      ),
    ],
    [
      'a map without a value',
      formRequest('Action=CreateQueue&QueueName=x&Attribute.1.Name=DelaySeconds'),
      400,
      xml('MissingParameter', 'The request must contain the parameter Attribute.1.Value.'),
    ],
    [
      'an escape that is none',
      getRequest('/?Action=ListQueues&QueueNamePrefix=%zz'),
      404,
      xml('MalformedQueryString', 'The query string contains a syntax error.'),
    ],
    [
      'an escape that ends early',
      getRequest('/?Action=ListQueues&QueueNamePrefix=%4'),
      404,
      xml('MalformedQueryString', 'The query string contains a syntax error.'),
    ],
    [
      'no UTF-8',
      getRequest('/?Action=ListQueues&QueueNamePrefix=%ff'),
      404,
      xml('MalformedQueryString', 'The query string contains a syntax error.'),
    ],
    [
      'names without end',
      getRequest(`/?Action=ListQueues&${'a.'.repeat(20)}=1`),
      404,
      xml('MalformedQueryString', 'The query string contains a syntax error.'),
    ],
    [
      'parameters without end',
      formRequest(Array.from({ length: 3000 }, (_, i) => `a${i}=`).join('&')),
      404,
      xml('MalformedQueryString', 'The query string contains a syntax error.'),
    ],
    [
      'a queue that is not there',
      getRequest('/000000000000/none?Action=ReceiveMessage'),
      400,
      xml(
        'AWS.SimpleQueueService.NonExistentQueue',
        'The specified queue does not exist for this wsdl version.',
      ),
    ],
    [
      'an unknown attribute',
      getRequest(`${ORDERS}?Action=GetQueueAttributes&AttributeName.1=Foobar`),
      400,
      xml('InvalidAttributeName', 'Unknown Attribute Foobar.'),
    ],
    [
      'text that XML cannot have',
      getRequest('/?Action=%01%3C%26'),
      400,
      xml('InvalidAction', 'The action \ufffd&lt;&amp; is not valid for this endpoint.'),
    ],
  ];
  for (const [name, request, status, body] of REFUSED) {
    test(`refused: ${name}`, async () => {
      const answer = await peer.ask(request);
      assert.equal(answer.status, status, answer.body);
      assert.ok(answer.body.includes(body), answer.body);
      assert.equal(peer.ended, false);
    });
  }

  test('a body of another type is not read', async () => {
    const request = formRequest('QueueName=orders', { path: '/?Action=GetQueueUrl' });
    const other = request.toString().replace('application/x-www-form-urlencoded', 'text/plain');
    const answer = await peer.ask(Buffer.from(other));
    assert.match(answer.body, /MalformedInput/);
  });
});

describe('web pages, while everybody on this machine may do everything', () => {
  const evil = 'origin: https://evil.example';

  test('of other machines are refused', async () => {
    for (const request of [
      formRequest('Action=DeleteQueue', { path: ORDERS, fields: [evil] }),
      jsonRequest('ListQueues', {}, { fields: [evil] }),
      jsonRequest('ListQueues', {}, { fields: ['sec-fetch-site: cross-site'] }),
    ]) {
      const { status, body } = await peer.ask(request);
      assert.equal(status, 403);
      assert.match(body, /AccessDenied/);
    }
  });

  test('of this machine are answered', async () => {
    for (const fields of [
      ['origin: http://localhost:3000', 'sec-fetch-site: same-site'],
      ['sec-fetch-site: none'],
    ]) {
      assert.equal((await peer.ask(jsonRequest('ListQueues', {}, { fields }))).status, 200);
    }
  });
});
