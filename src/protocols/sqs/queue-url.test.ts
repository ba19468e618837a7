/** URLs, ARNs and regions, as texts; where a request's own come from is site.test.ts's. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SqsError } from './errors.ts';
import {
  queueArn,
  queueNameOfArn,
  queueNameOfPath,
  queueNameOfUrl,
  queueUrl,
  regionOfHost,
} from './queue-url.ts';

const SITE = { account: '000000000000', region: 'eu-west-1', baseUrl: 'https://sqs.example:9324' };

test('what is written is read', () => {
  for (const name of ['orders', 'orders.fifo', 'a', 'A_b-c.d', '0']) {
    assert.equal(queueUrl(SITE, name), `https://sqs.example:9324/000000000000/${name}`);
    assert.equal(queueNameOfUrl(queueUrl(SITE, name)), name);
    assert.equal(queueArn(SITE, name), `arn:aws:sqs:eu-west-1:000000000000:${name}`);
    assert.equal(queueNameOfArn(queueArn(SITE, name)), name);
  }
});

describe('a URL', () => {
  test('that names no queue is refused, however often it comes', () => {
    for (const url of [
      '',
      '/',
      'http://h:1/a/b/c',
      'http://h/1/2/3/4/5',
      'http://h/a/ü',
      '//',
      'a b',
    ]) {
      for (let time = 0; time < 2; time++) {
        assert.throws(
          () => queueNameOfUrl(url),
          (error) => error instanceof SqsError && error.shape === 'InvalidAddress',
          url,
        );
      }
    }
  });

  test('of a host alone is of no queue', () => {
    assert.throws(() => queueNameOfUrl('http://localhost:9324'), { shape: 'QueueDoesNotExist' });
  });

  test('is read right among more than are remembered', () => {
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 2500; i++) {
        assert.equal(queueNameOfUrl(`http://localhost/000000000000/queue-${i}`), `queue-${i}`);
      }
    }
    const long = `http://${'h'.repeat(5000)}/000000000000/long`;
    assert.equal(queueNameOfUrl(long), 'long');
    assert.equal(queueNameOfUrl(long), 'long');
  });
});

test('a path names a queue in one, two or four parts', () => {
  assert.equal(queueNameOfPath('/orders'), 'orders');
  assert.equal(queueNameOfPath('/1/orders/'), 'orders');
  assert.equal(queueNameOfPath('/queue/eu-west-1/1/orders'), 'orders');
  assert.equal(queueNameOfPath('/other/eu-west-1/1/orders'), null);
  assert.equal(queueNameOfPath('/a/b/c'), null);
  assert.equal(queueNameOfPath('/'), null);
});

test('an ARN names a queue of SQS, in any partition', () => {
  assert.equal(queueNameOfArn('arn:aws-cn:sqs:cn-north-1:123456789012:q'), 'q');
  assert.equal(queueNameOfArn('arn:aws:sns:us-east-1:123456789012:q'), null);
  assert.equal(queueNameOfArn('arn:aws:sqs:us-east-1:123456789012:q:more'), null);
  assert.equal(queueNameOfArn('arn:aws:sqs:us-east-1:123456789012:'), null);
  assert.equal(queueNameOfArn('orders'), null);
});

test("a host names a region in AWS's own forms only", () => {
  assert.equal(regionOfHost('sqs.eu-west-1.amazonaws.com'), 'eu-west-1');
  assert.equal(regionOfHost('eu-west-1.queue.amazonaws.com:443'), 'eu-west-1');
  assert.equal(regionOfHost('sqs.us-gov-west-1.localhost.localstack.cloud:4566'), 'us-gov-west-1');
  for (const host of ['localhost:9324', '127.0.0.1', 'sqs', 'sqs.localhost', 'mysqs.eu-west-1.x']) {
    assert.equal(regionOfHost(host), null, host);
  }
});
