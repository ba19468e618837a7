/** A request of every SQS action, and of every shape by which HTTP requests are smuggled. */
const QueueUrl = 'http://localhost:9324/000000000000/orders';
const fifo = 'http://localhost:9324/000000000000/lane.fifo';
const SourceArn = 'arn:aws:sqs:us-east-1:000000000000:dead';
const deadLetterTargetArn = SourceArn;
const MessageAttributes = {
  text: { DataType: 'String', StringValue: 'ä' },
  number: { DataType: 'Number.int', StringValue: '12' },
  bytes: { DataType: 'Binary', BinaryValue: 'AQL/' },
};
/** Stands for one that a test has received. */
export const RECEIPT_HANDLE = 'AAAAAAAAAAAAAAAAAAABAAEBof63EJMajalu';

export type Sample = Readonly<Record<string, unknown>>;

export const SAMPLES: readonly (readonly [action: string, input: Sample])[] = [
  ['AddPermission', { QueueUrl, Label: 'l', AWSAccountIds: ['1'.repeat(12)], Actions: ['*'] }],
  ['CancelMessageMoveTask', { TaskHandle: 'eyJ0IjoxfQ==' }],
  ['ChangeMessageVisibility', { QueueUrl, ReceiptHandle: RECEIPT_HANDLE, VisibilityTimeout: 5 }],
  [
    'ChangeMessageVisibilityBatch',
    { QueueUrl, Entries: [{ Id: 'a', ReceiptHandle: RECEIPT_HANDLE, VisibilityTimeout: 0 }] },
  ],
  ['CreateQueue', { QueueName: 'made', Attributes: { DelaySeconds: '1' }, tags: { a: 'b' } }],
  ['DeleteMessage', { QueueUrl, ReceiptHandle: RECEIPT_HANDLE }],
  ['DeleteMessageBatch', { QueueUrl, Entries: [{ Id: 'a', ReceiptHandle: RECEIPT_HANDLE }] }],
  ['DeleteQueue', { QueueUrl: 'http://localhost:9324/000000000000/made' }],
  ['GetQueueAttributes', { QueueUrl, AttributeNames: ['All'] }],
  ['GetQueueUrl', { QueueName: 'orders' }],
  ['ListDeadLetterSourceQueues', { QueueUrl, MaxResults: 2 }],
  ['ListMessageMoveTasks', { SourceArn }],
  ['ListQueueTags', { QueueUrl }],
  ['ListQueues', { QueueNamePrefix: 'o', MaxResults: 10 }],
  ['PurgeQueue', { QueueUrl }],
  ['ReceiveMessage', { QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 1 }],
  ['ReceiveMessage', { QueueUrl: fifo, ReceiveRequestAttemptId: 'x', AttributeNames: ['All'] }],
  ['ReceiveMessage', { QueueUrl, WaitTimeSeconds: 1, MessageAttributeNames: ['All'] }],
  ['RemovePermission', { QueueUrl, Label: 'l' }],
  ['SendMessage', { QueueUrl, MessageBody: 'x "y" <z>', MessageAttributes, DelaySeconds: 1 }],
  ['SendMessage', { QueueUrl, MessageBody: 'ä'.repeat(300) }],
  [
    'SendMessage',
    { QueueUrl: fifo, MessageBody: 'x', MessageGroupId: 'g', MessageDeduplicationId: 'd' },
  ],
  ['SendMessageBatch', { QueueUrl, Entries: [{ Id: 'a', MessageBody: 'x', MessageAttributes }] }],
  [
    'SetQueueAttributes',
    {
      QueueUrl,
      Attributes: {
        VisibilityTimeout: '3',
        RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 }),
      },
    },
  ],
  ['StartMessageMoveTask', { SourceArn }],
  ['TagQueue', { QueueUrl, Tags: { team: 'a' } }],
  ['UntagQueue', { QueueUrl, TagKeys: ['team'] }],
];

/** What lists and maps are called in a form. */
const ITEMS: Readonly<Record<string, string>> = {
  AWSAccountIds: 'AWSAccountId',
  Actions: 'ActionName',
  AttributeNames: 'AttributeName',
  MessageAttributeNames: 'MessageAttributeName',
  TagKeys: 'TagKey',
};
const MAPS: Readonly<Record<string, readonly [string, string, string]>> = {
  Attributes: ['Attribute', 'Name', 'Value'],
  MessageAttributes: ['MessageAttribute', 'Name', 'Value'],
  tags: ['Tag', 'Key', 'Value'],
  Tags: ['Tag', 'Key', 'Value'],
};

/** The same as a form. */
export function sampleForm(action: string, input: Sample): string {
  const pairs = [`Action=${action}`];
  addPairs(action, '', input, pairs);
  return pairs.join('&');
}

function addPairs(action: string, prefix: string, input: Sample, pairs: string[]): void {
  for (const [name, value] of Object.entries(input)) {
    const map = MAPS[name];
    if (Array.isArray(value)) {
      const item = ITEMS[name] ?? `${action}RequestEntry`;
      value.forEach((one: unknown, i) => {
        addValue(action, `${prefix}${item}.${i + 1}`, one, pairs);
      });
    } else if (map !== undefined && typeof value === 'object' && value !== null) {
      const [item, keyName, valueName] = map;
      Object.entries(value).forEach(([key, one], i) => {
        pairs.push(`${prefix}${item}.${i + 1}.${keyName}=${encodeURIComponent(key)}`);
        addValue(action, `${prefix}${item}.${i + 1}.${valueName}`, one, pairs);
      });
    } else addValue(action, prefix + name, value, pairs);
  }
}

function addValue(action: string, name: string, value: unknown, pairs: string[]): void {
  if (typeof value === 'object' && value !== null) {
    addPairs(action, `${name}.`, value as Sample, pairs);
  } else pairs.push(`${name}=${encodeURIComponent(String(value))}`);
}

const post = (fields: string, body: string): Buffer =>
  Buffer.from(`POST / HTTP/1.1\r\nHost: h\r\n${fields}\r\n${body}`, 'latin1');
const INNER = 'GET /?Action=PurgeQueue HTTP/1.1\r\nHost: h\r\n\r\n';

export const SHAPES_OF_SMUGGLING: readonly Buffer[] = [
  post('Content-Length: 6\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${INNER}`),
  post('Transfer-Encoding: chunked\r\nContent-Length: 6\r\n', `0\r\n\r\n${INNER}`),
  post('Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${INNER}`),
  post('Transfer-Encoding: chunked, identity\r\n', `0\r\n\r\n${INNER}`),
  post('Transfer-Encoding : chunked\r\n', `0\r\n\r\n${INNER}`),
  post('Transfer-Encoding:\x0bchunked\r\n', `0\r\n\r\n${INNER}`),
  post('X: y\n Transfer-Encoding: chunked\r\n', `0\r\n\r\n${INNER}`),
  post('Content-Length: 0\r\nContent-Length: 44\r\n', INNER),
  post('Content-Length: +44\r\n', INNER),
  post('Content-Length: 0, 44\r\n', INNER),
  post('Transfer-Encoding: chunked\r\n', `1;\n\r\na\r\n0\r\n\r\n${INNER}`),
  post('Transfer-Encoding: chunked\r\n', `-1\r\na\r\n0\r\n\r\n${INNER}`),
  Buffer.from('GET / HTTP/1.1\nHost: h\n\n'),
  Buffer.from('GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n'),
  Buffer.from('GET / HTTP/1.1\r\n Host: h\r\n\r\n'),
];
