import { sqs } from './index.ts';
import { protocolContract } from '#test/contracts/protocol-contract.ts';
import { formRequest, getRequest, jsonRequest } from '#test/drive/sqs-peer.ts';

const QueueUrl = 'http://localhost:9324/000000000000/orders';
const attributes = { a: { DataType: 'String', StringValue: 'ä' } };

/** Requests of both protocols, then a long poll that waits. */
const session = [
  jsonRequest('CreateQueue', { QueueName: 'orders' }),
  jsonRequest('SendMessage', { QueueUrl, MessageBody: 'one', MessageAttributes: attributes }),
  formRequest('Action=SendMessage&MessageBody=t%20wo', { path: '/000000000000/orders' }),
  // Larger than a piece.
  jsonRequest('SendMessage', { QueueUrl, MessageBody: 'x'.repeat(5000) }),
  getRequest('/000000000000/orders?Action=ReceiveMessage&AttributeName.1=All'),
  jsonRequest('ReceiveMessage', { QueueUrl, MaxNumberOfMessages: 10 }),
  jsonRequest('ListQueues'),
  jsonRequest('NoSuchAction'),
  Buffer.from(
    'POST /000000000000/orders HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n' +
      'Content-Type: application/x-www-form-urlencoded\r\n\r\n' +
      '6\r\nAction\r\n17\r\n=GetQueueAttributes&x=y\r\n0\r\n\r\n',
  ),
  jsonRequest('PurgeQueue', { QueueUrl }),
  jsonRequest('ReceiveMessage', { QueueUrl, WaitTimeSeconds: 20 }),
];

protocolContract('sqs', {
  create: (broker) => sqs(broker, { host: '127.0.0.1', port: 9324 }),
  session,
  garbage: [
    Buffer.from('AMQP\x00\x00\x09\x01'),
    Buffer.from([0, 0, 0, 0]),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from('GET / HTT'),
    Buffer.from('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc'),
    Buffer.from('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\na'),
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  ],
  /** A long poll has a timer; messages in flight have one too, but are the queue's, not the
   * client's. Two timers are nobody's: the group coordinator's, and the retention of the queue. */
  held: (broker) => broker.schedule.size - 2,
});
