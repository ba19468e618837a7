import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import { getRequest, jsonRequest, sqsOf, SqsPeer } from '#test/drive/sqs-peer.ts';

const QueueUrl = 'http://localhost:9324/000000000000/orders';
const ORDERS = '/000000000000/orders';

let memory: MemoryBroker;
let peer: SqsPeer;

before(async () => {
  memory = await MemoryBroker.open();
  peer = new SqsPeer(memory);
  await peer.json('CreateQueue', { QueueName: 'orders' });
});

describe('a queue is found', () => {
  const FORMS = [
    QueueUrl,
    `${QueueUrl}/`,
    'https://sqs.eu-west-1.amazonaws.com/123456789012/orders',
    'http://localhost:4566/queue/eu-west-1/000000000000/orders',
    'http://localhost:9324/queue/orders',
    'http://eu-west-1.queue.localhost:4566/000000000000/orders',
    ORDERS,
    'orders',
  ];
  for (const form of FORMS) {
    test(`as ${form}`, async () => {
      const { Attributes } = await peer.json('GetQueueAttributes', {
        QueueUrl: form,
        AttributeNames: ['QueueArn'],
      });
      assert.equal(Attributes!['QueueArn'], 'arn:aws:sqs:us-east-1:000000000000:orders');
    });
  }

  test('URLs and ARNs say what the request says', async () => {
    const ask = async (...fields: string[]): Promise<string> => {
      const { body } = await peer.ask(
        getRequest('/?Action=GetQueueUrl&QueueName=orders', ...fields),
      );
      return /<QueueUrl>(.*)<\/QueueUrl>/.exec(body)![1]!;
    };
    assert.equal(await ask(), QueueUrl);
    assert.equal(
      await ask('X-Forwarded-Proto: https', 'X-Forwarded-Host: queues.example, 10.0.0.1'),
      'https://queues.example/000000000000/orders',
    );
    const arn = async (target: string, ...fields: string[]): Promise<string> => {
      const { body } = await peer.ask(
        getRequest(
          `${ORDERS}?Action=GetQueueAttributes&AttributeName.1=QueueArn${target}`,
          ...fields,
        ),
      );
      return /<Value>arn:aws:sqs:([^:]*):/.exec(body)![1]!;
    };
    const credential = 'a/20230101/eu-west-3/sqs/aws4_request';
    assert.equal(
      await arn('', `Authorization: AWS4-HMAC-SHA256 Credential=${credential}, Signature=x`),
      'eu-west-3',
    );
    assert.equal(await arn(`&X-Amz-Credential=${encodeURIComponent(credential)}`), 'eu-west-3');
    assert.equal(await arn('', 'X-Forwarded-Host: sqs.eu-west-2.localhost'), 'eu-west-2');
    assert.equal(await arn(''), 'us-east-1');
  });

  test('each request of a connection is answered by what it says itself', async () => {
    const ask = async (host: string, region: string, ...more: string[]): Promise<string> => {
      const credential = `a/20230101/${region}/sqs/aws4_request`;
      const { body } = await peer.ask(
        jsonRequest(
          'GetQueueAttributes',
          { QueueUrl: ORDERS, AttributeNames: ['QueueArn'] },
          {
            fields: [
              `Authorization: AWS4-HMAC-SHA256 Credential=${credential}, x=${host}`,
              ...more,
            ],
          },
        ),
      );
      return /arn:aws:sqs:([^:]*):/.exec(body)![1]!;
    };
    assert.equal(await ask('a', 'eu-west-3'), 'eu-west-3');
    assert.equal(await ask('b', 'eu-west-3'), 'eu-west-3');
    assert.equal(await ask('b', 'eu-west-1'), 'eu-west-1', 'of the same length');
    assert.equal(await ask('b', 'us-east-2'), 'us-east-2');
    assert.equal(await ask('b', 'us-east'), 'us-east', 'shorter');
    assert.equal(await ask('b', 'us-east-2'), 'us-east-2', 'longer');
    const url = async (...fields: string[]): Promise<string> => {
      const request = jsonRequest('GetQueueUrl', { QueueName: 'orders' }, { fields });
      const { body } = await peer.ask(request);
      return (JSON.parse(body) as { QueueUrl: string }).QueueUrl;
    };
    const signed = 'Authorization: AWS4-HMAC-SHA256 Credential=a/1/eu-west-3/sqs/aws4_request, x=1';
    assert.equal(await url(signed), QueueUrl);
    assert.equal(
      await url(signed, 'X-Forwarded-Host: queues.example'),
      'http://queues.example/000000000000/orders',
    );
    assert.equal(await url(signed), QueueUrl);
    assert.equal(await url(signed, 'X-Forwarded-Proto: https'), QueueUrl.replace('http', 'https'));
    assert.equal(await url(signed), QueueUrl);
    const elsewhere = jsonRequest('GetQueueUrl', { QueueName: 'orders' }, { fields: [signed] })
      .toString('latin1')
      .replace('localhost:9324', 'otherhost:9324');
    const { body } = await peer.ask(Buffer.from(elsewhere, 'latin1'));
    assert.match(body, /http:\/\/otherhost:9324\//);
  });

  test('over TLS the URL says so', async () => {
    const secured = new SqsPeer(memory, sqsOf(memory));
    secured.driven.sink.secured = true;
    const { QueueUrl: found } = await secured.json('GetQueueUrl', { QueueName: 'orders' });
    assert.equal(found, 'https://localhost:9324/000000000000/orders');
  });
});

test('who comes from elsewhere must sign, and without users there is nobody who could', async () => {
  const remote = new SqsPeer(memory, sqsOf(memory), {
    remoteAddress: '192.0.2.1',
    remotePort: 1,
    localAddress: '192.0.2.2',
    localPort: 9324,
    loopback: false,
    tls: 'none',
  });
  const answer = await remote.ask(
    jsonRequest('ListQueues', {}, { fields: ['x-amzn-query-mode: true'] }),
  );
  assert.equal(answer.status, 403);
  assert.equal(answer.fields.get('x-amzn-query-error'), 'MissingAuthenticationToken;Sender');
});
