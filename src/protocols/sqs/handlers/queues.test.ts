/** The actions over queues themselves: create, delete, list, attributes, tags, permissions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Identity } from '#core/authenticator.ts';
import { defaultQueueOptions } from '#core/queue/queue-options.ts';
import { queueArn, queueUrl } from '../queue-url.ts';
import { SITE, SqsRig, refusal } from '#test/rigs/sqs-rig.ts';

const FIFO = { FifoQueue: 'true' };

async function attributes(rig: SqsRig, queue: string, names: readonly string[] = ['All']) {
  const { Attributes } = await rig.run('GetQueueAttributes', queue, { AttributeNames: names });
  return Attributes;
}

function set(rig: SqsRig, queue: string, values: Record<string, string>) {
  return rig.run('SetQueueAttributes', queue, { Attributes: values });
}

test('a new queue has the attributes of AWS, and says that nothing is encrypted', async () => {
  const rig = await SqsRig.open();
  assert.equal(await rig.create('orders'), 'http://localhost:9324/000000000000/orders');
  assert.deepEqual(await attributes(rig, 'orders'), {
    QueueArn: 'arn:aws:sqs:us-east-1:000000000000:orders',
    ApproximateNumberOfMessages: '0',
    ApproximateNumberOfMessagesNotVisible: '0',
    ApproximateNumberOfMessagesDelayed: '0',
    CreatedTimestamp: '1700000000',
    LastModifiedTimestamp: '1700000000',
    VisibilityTimeout: '30',
    MaximumMessageSize: '1048576',
    MessageRetentionPeriod: '345600',
    DelaySeconds: '0',
    ReceiveMessageWaitTimeSeconds: '0',
    SqsManagedSseEnabled: 'false',
  });
  await rig.create('orders.fifo', FIFO);
  const fifo = await attributes(rig, 'orders.fifo');
  assert.equal(fifo!['FifoQueue'], 'true');
  assert.equal(fifo!['ContentBasedDeduplication'], 'false');
  assert.equal(fifo!['DeduplicationScope'], 'queue');
  assert.equal(fifo!['FifoThroughputLimit'], 'perQueue');
});

test('only what is asked for is shown; what does not exist is refused', async () => {
  const rig = await SqsRig.open();
  await rig.create('q');
  assert.deepEqual(await attributes(rig, 'q', ['DelaySeconds', 'Policy', 'FifoQueue']), {
    DelaySeconds: '0',
  });
  assert.equal(await attributes(rig, 'q', []), undefined);
  assert.equal(await attributes(rig, 'q', ['Policy']), undefined);
  for (const name of ['', 'Foo', 'constructor', 'delayseconds']) {
    await assert.rejects(
      attributes(rig, 'q', [name]),
      refusal('InvalidAttributeName', `Unknown Attribute ${name}.`),
    );
  }
});

test('creating again is idempotent unless an attribute that is given differs', async () => {
  const rig = await SqsRig.open();
  await rig.create('q', { DelaySeconds: '5', VisibilityTimeout: '7' });
  await rig.create('q');
  await rig.create('q', { DelaySeconds: '5' });
  await assert.rejects(
    rig.create('q', { VisibilityTimeout: '7', DelaySeconds: '6' }),
    refusal(
      'QueueNameExists',
      'A queue already exists with the same name and a different value for attribute DelaySeconds',
    ),
  );
  await set(rig, 'q', { DelaySeconds: '6' });
  await rig.create('q', { DelaySeconds: '6' });
  await assert.rejects(rig.create('q', { DelaySeconds: '5' }), refusal('QueueNameExists'));
});

test('names: 80 letters, digits, hyphens, underscores; .fifo for FIFO queues and only for them', async () => {
  const rig = await SqsRig.open();
  const message =
    'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length';
  for (const name of ['a/b', '', 'a'.repeat(81), 'ö', 'a.b', 'a.fifo']) {
    await assert.rejects(
      rig.create(name),
      refusal('InvalidParameterValueException', message),
      name,
    );
  }
  await rig.create('a'.repeat(80));
  await assert.rejects(
    rig.create('a', FIFO),
    refusal('InvalidParameterValueException', /must end with \.fifo suffix/),
  );
  await rig.create(`${'a'.repeat(75)}.fifo`, FIFO);
  await assert.rejects(rig.create(`${'a'.repeat(76)}.fifo`, FIFO));
});

test('attributes of FIFO queues are refused for others, in the words of AWS', async () => {
  const rig = await SqsRig.open();
  const unknown = (name: string) => refusal('InvalidAttributeName', `Unknown Attribute ${name}.`);
  await assert.rejects(rig.create('q', { FifoQueue: 'false' }), unknown('FifoQueue'));
  await assert.rejects(
    rig.create('q', { ContentBasedDeduplication: 'false' }),
    unknown('ContentBasedDeduplication'),
  );
  for (const [name, value] of [
    ['DeduplicationScope', 'queue'],
    ['FifoThroughputLimit', 'perQueue'],
  ] as const) {
    await assert.rejects(
      rig.create('q', { [name]: value }),
      refusal(
        'InvalidAttributeName',
        `You can specify the ${name} only when FifoQueue is set to true.`,
      ),
    );
  }
  await rig.create('q');
  await assert.rejects(set(rig, 'q', FIFO), unknown('FifoQueue'));
  await rig.create('q.fifo', FIFO);
  await set(rig, 'q.fifo', FIFO);
  await assert.rejects(
    set(rig, 'q.fifo', { FifoQueue: 'false' }),
    refusal(
      'InvalidAttributeValue',
      'Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.',
    ),
  );
});

test('values out of range change nothing', async () => {
  const rig = await SqsRig.open();
  await rig.create('q');
  for (const [name, values] of Object.entries({
    DelaySeconds: ['-1', '901', 'x', '', '1.5', '1e2'],
    VisibilityTimeout: ['-1', '43201'],
    MaximumMessageSize: ['1023', '1048577'],
    MessageRetentionPeriod: ['59', '1209601'],
    ReceiveMessageWaitTimeSeconds: ['-1', '21'],
    SqsManagedSseEnabled: ['yes'],
    Policy: ['{', '[]', '"x"', '{"Version":"2020-01-01"}', '{"Statement":[{"Effect":"Maybe"}]}'],
  })) {
    for (const value of values) {
      await assert.rejects(
        set(rig, 'q', { VisibilityTimeout: '9', [name]: value }),
        refusal('InvalidAttributeValue', `Invalid value for the parameter ${name}.`),
        `${name}=${value}`,
      );
    }
  }
  assert.deepEqual(await attributes(rig, 'q', ['VisibilityTimeout']), { VisibilityTimeout: '30' });
  await assert.rejects(
    set(rig, 'q', { QueueArn: 'x' }),
    refusal('InvalidAttributeName', 'Unknown Attribute QueueArn.'),
  );
});

test('what is set counts, is shown and moves the time of modification', async () => {
  const rig = await SqsRig.open();
  await rig.create('q');
  await rig.memory.advance(5000);
  const wanted = {
    DelaySeconds: '420',
    MaximumMessageSize: '2048',
    MessageRetentionPeriod: '60',
    ReceiveMessageWaitTimeSeconds: '10',
    VisibilityTimeout: '69',
  };
  await set(rig, 'q', wanted);
  const found = (await attributes(rig, 'q'))!;
  for (const [name, value] of Object.entries(wanted)) assert.equal(found[name], value);
  assert.equal(found['CreatedTimestamp'], '1700000000');
  assert.equal(found['LastModifiedTimestamp'], '1700000005');
  const { options } = rig.node.namespace.queue('q', null);
  assert.equal(options.delayMs, 420_000);
  assert.equal(options.messageBytesMax, 2048);
  assert.equal(options.retentionMs, 60_000);
  assert.equal(options.leaseMs, 69_000);
});

test('encryption is refused, since there is none', async () => {
  const rig = await SqsRig.open();
  await rig.create('q', { SqsManagedSseEnabled: 'false', KmsMasterKeyId: '' });
  for (const [name, value] of Object.entries({
    SqsManagedSseEnabled: 'true',
    KmsMasterKeyId: 'alias/aws/sqs',
    KmsDataKeyReusePeriodSeconds: '600',
  })) {
    await assert.rejects(
      set(rig, 'q', { [name]: value }),
      refusal('UnsupportedOperation', new RegExp(`^${name} is not supported`)),
    );
  }
});

test('high throughput: the limit per group needs deduplication per group', async () => {
  const rig = await SqsRig.open();
  const limit = { FifoThroughputLimit: 'perMessageGroupId' };
  await assert.rejects(
    rig.create('q.fifo', { ...FIFO, ...limit }),
    refusal('InvalidAttributeValue'),
  );
  await rig.create('q.fifo', { ...FIFO, ...limit, DeduplicationScope: 'messageGroup' });
  await assert.rejects(
    set(rig, 'q.fifo', { DeduplicationScope: 'queue' }),
    refusal('InvalidAttributeValue'),
  );
  await set(rig, 'q.fifo', { DeduplicationScope: 'queue', FifoThroughputLimit: 'perQueue' });
  await assert.rejects(set(rig, 'q.fifo', { DeduplicationScope: 'group' }));
  await assert.rejects(set(rig, 'q.fifo', { FifoThroughputLimit: 'perHour' }));
});

test('a queue of AMQP is a queue of SQS, and the other way round', async () => {
  const rig = await SqsRig.open();
  const { namespace } = rig.node;
  const plain = { ...defaultQueueOptions(), durable: true };
  namespace.declareQueue('of-amqp', plain);
  const { QueueUrl } = await rig.run('GetQueueUrl', 'of-amqp', {});
  assert.equal(QueueUrl, queueUrl(SITE, 'of-amqp'));
  const found = await attributes(rig, 'of-amqp');
  assert.equal(found!['VisibilityTimeout'], '30');
  // It keeps messages for ever, which no number says.
  assert.equal(found!['MessageRetentionPeriod'], undefined);
  await rig.create('of-amqp');
  await set(rig, 'of-amqp', { VisibilityTimeout: '3' });
  assert.equal(namespace.queue('of-amqp', null).options.leaseMs, 3000);

  await rig.create('of-sqs');
  assert.equal(namespace.declareQueue('of-sqs', plain), namespace.queue('of-sqs', null));
  await rig.create('of-sqs.fifo', FIFO);
  namespace.declareQueue('of-sqs.fifo', plain);

  namespace.declareQueue('mine', { ...plain, durable: false, exclusiveTo: {} });
  await assert.rejects(rig.run('GetQueueUrl', 'mine', {}), refusal('QueueDoesNotExist'));
  const { QueueUrls } = await rig.run('ListQueues', '', {});
  assert.ok(!QueueUrls!.includes(queueUrl(SITE, 'mine')));
});

test('deleting: the name is free at once, and not there is an error', async () => {
  const rig = await SqsRig.open();
  await rig.create('q', { DelaySeconds: '5' });
  await rig.run('DeleteQueue', 'q', {});
  for (const action of ['DeleteQueue', 'GetQueueUrl', 'PurgeQueue', 'ListQueueTags'] as const) {
    await assert.rejects(rig.run(action, 'q', {}), refusal('QueueDoesNotExist'));
  }
  await rig.create('q', { DelaySeconds: '6' });
});

test('GetQueueUrl knows one account', async () => {
  const rig = await SqsRig.open();
  await rig.create('q');
  await rig.run('GetQueueUrl', 'q', { QueueOwnerAWSAccountId: SITE.account });
  await assert.rejects(
    rig.run('GetQueueUrl', 'q', { QueueOwnerAWSAccountId: '111122223333' }),
    refusal('QueueDoesNotExist'),
  );
});

test('ListQueues: prefix, pages, order', async () => {
  const rig = await SqsRig.open();
  assert.deepEqual(await rig.run('ListQueues', '', {}), {
    QueueUrls: undefined,
    NextToken: undefined,
  });
  for (const name of ['b-2', 'a-1', 'b-1', 'b-3']) await rig.create(name);
  const all = await rig.run('ListQueues', '', {});
  assert.deepEqual(
    all.QueueUrls,
    ['a-1', 'b-1', 'b-2', 'b-3'].map((name) => queueUrl(SITE, name)),
  );
  assert.equal(all.NextToken, undefined);
  const first = await rig.run('ListQueues', '', { QueueNamePrefix: 'b', MaxResults: 2 });
  assert.equal(first.QueueUrls!.length, 2);
  await rig.run('DeleteQueue', 'b-2', {});
  const rest = await rig.run('ListQueues', '', {
    QueueNamePrefix: 'b',
    MaxResults: 2,
    NextToken: first.NextToken!,
  });
  assert.deepEqual(rest, { QueueUrls: [queueUrl(SITE, 'b-3')], NextToken: undefined });
  for (const wrong of [{ MaxResults: 0 }, { MaxResults: 1001 }, { NextToken: '!' }]) {
    await assert.rejects(
      rig.run('ListQueues', '', wrong),
      refusal('InvalidParameterValueException'),
    );
  }
});

test('ListQueues shows nobody what they may do nothing with', async () => {
  const rig = await SqsRig.open();
  await rig.create('mine');
  await rig.create('yours');
  const identity = user('me', (_permission, _namespace, resource) => resource === 'mine');
  const { QueueUrls } = await rig.run('ListQueues', '', {}, identity);
  assert.deepEqual(QueueUrls, [queueUrl(SITE, 'mine')]);
});

function user(name: string, may: Identity['may']): Identity {
  return { name, tags: [], mayEnter: () => true, may, subjects: null };
}

test('a topic is not a queue, and CreateQueue says so', async () => {
  const rig = await SqsRig.open();
  const asked = { partitions: 1, replicationFactor: 1, config: {} };
  rig.node.namespace.createTopic('events', asked);
  await assert.rejects(
    rig.create('events'),
    refusal('QueueNameExists', /'events' is a topic, not a queue; a binding joins it to a queue/),
  );
});

test('tags: added, replaced, taken away, fifty at most', async () => {
  const rig = await SqsRig.open();
  await rig.run('CreateQueue', 'q', { tags: { tag1: 'value1', __proto__x: 'y' } });
  await rig.run('TagQueue', 'q', { Tags: { tag1: 'other', Tag1: '', constructor: 'c' } });
  assert.deepEqual(
    { ...(await rig.run('ListQueueTags', 'q', {})).Tags },
    { tag1: 'other', __proto__x: 'y', Tag1: '', constructor: 'c' },
  );
  await rig.run('CreateQueue', 'q', { tags: { tag1: 'again' } });
  assert.equal((await rig.run('ListQueueTags', 'q', {})).Tags!['tag1'], 'again');
  await rig.run('UntagQueue', 'q', { TagKeys: ['tag1', 'nope', '__proto__x'] });
  await rig.run('UntagQueue', 'q', { TagKeys: ['Tag1', 'constructor'] });
  assert.deepEqual(await rig.run('ListQueueTags', 'q', {}), { Tags: undefined });

  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']));
  await rig.run('TagQueue', 'q', { Tags: many(50) });
  const invalid = (message: string) => refusal('InvalidParameterValueException', message);
  await assert.rejects(
    rig.run('TagQueue', 'q', { Tags: { more: '' } }),
    invalid('Too many tags added for queue q.'),
  );
  await assert.rejects(
    rig.run('TagQueue', 'q', { Tags: {} }),
    refusal('MissingRequiredParameterException', 'The request must contain the parameter Tags.'),
  );
  const keys = 'Tag keys must be between 1 and 128 characters in length.';
  await assert.rejects(rig.run('UntagQueue', 'q', { TagKeys: [] }), invalid(keys));
  await assert.rejects(
    rig.run('TagQueue', 'q', { Tags: { ['k'.repeat(129)]: '' } }),
    invalid(keys),
  );
});

test('permissions are statements of the policy', async () => {
  const rig = await SqsRig.open();
  await rig.create('q');
  const arn = queueArn(SITE, 'q');
  const grant = (label: string, accounts: string[], actions: string[]) =>
    rig.run('AddPermission', 'q', { Label: label, AWSAccountIds: accounts, Actions: actions });
  await grant('both', ['668614515564', '111111111111'], ['ReceiveMessage']);
  const policy = async () => JSON.parse((await attributes(rig, 'q', ['Policy']))!['Policy']!);
  const statement = {
    Sid: 'both',
    Effect: 'Allow',
    Principal: {
      AWS: ['arn:aws:iam::668614515564:root', 'arn:aws:iam::111111111111:root'],
    },
    Action: 'SQS:ReceiveMessage',
    Resource: arn,
  };
  assert.deepEqual(await policy(), {
    Version: '2008-10-17',
    Id: `${arn}/SQSDefaultPolicy`,
    Statement: [statement],
  });
  const invalid = (message: string) => refusal('InvalidParameterValueException', message);
  await assert.rejects(
    grant('both', ['111111111111'], ['*']),
    invalid('Value both for parameter Label is invalid. Reason: Already exists.'),
  );
  await grant('one', ['111111111111'], ['SendMessage', 'GetQueueUrl']);
  await rig.run('RemovePermission', 'q', { Label: 'both' });
  assert.deepEqual((await policy()).Statement[0].Action, ['SQS:SendMessage', 'SQS:GetQueueUrl']);
  await rig.run('RemovePermission', 'q', { Label: 'one' });
  assert.equal(await attributes(rig, 'q', ['Policy']), undefined);
  await assert.rejects(
    rig.run('RemovePermission', 'q', { Label: 'one' }),
    invalid("Value one for parameter Label is invalid. Reason: can't find label."),
  );
});

test('permissions that cannot be granted', async () => {
  const rig = await SqsRig.open();
  await rig.create('q');
  const account = ['111111111111'];
  for (const [label, accounts, actions, shape, message] of [
    [
      'l',
      account,
      [],
      'MissingRequiredParameterException',
      'The request must contain the parameter Actions.',
    ],
    [
      'l',
      [],
      ['*'],
      'InvalidParameterValueException',
      'Value [] for parameter PrincipalId is invalid. Reason: Unable to verify.',
    ],
    [
      'l',
      ['me'],
      ['*'],
      'InvalidParameterValueException',
      'Value [me] for parameter PrincipalId is invalid. Reason: Unable to verify.',
    ],
    [
      'l',
      account,
      ['RemovePermission'],
      'InvalidParameterValueException',
      'Value SQS:RemovePermission for parameter ActionName is invalid. Reason: Only the queue owner is allowed to invoke this action.',
    ],
    [
      'l',
      account,
      Array.from({ length: 8 }, () => '*'),
      'OverLimit',
      '8 Actions were found, maximum allowed is 7.',
    ],
  ] as const) {
    await assert.rejects(
      rig.run('AddPermission', 'q', { Label: label, AWSAccountIds: accounts, Actions: actions }),
      refusal(shape, message),
    );
  }
});

test('a policy lets in and keeps out', async () => {
  const rig = await SqsRig.open();
  await rig.create('q');
  const nobody = user('nobody', () => false);
  const bob = user('bob', () => false);
  const all = user('all', () => true);
  const statement = (Effect: string, Principal: unknown, Action: unknown, more = {}) => ({
    Effect,
    Principal,
    Action,
    Resource: queueArn(SITE, 'q'),
    ...more,
  });
  await set(rig, 'q', {
    Policy: JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        statement('Allow', { AWS: 'arn:aws:iam::000000000000:user/bob' }, 'sqs:Send*'),
        statement('Deny', '*', ['SQS:PurgeQueue']),
        statement('Allow', '*', '*', { Condition: { Bool: { x: 'true' } } }),
      ],
    }),
  });
  await rig.run('SendMessage', 'q', { MessageBody: 'x' }, bob);
  const entries = { Entries: [{ Id: 'a', MessageBody: 'x' }] };
  await rig.run('SendMessageBatch', 'q', entries, bob);
  const denied = refusal('AccessDeniedException');
  await assert.rejects(rig.run('ReceiveMessage', 'q', {}, bob), denied);
  await assert.rejects(rig.run('SendMessage', 'q', { MessageBody: 'x' }, nobody), denied);
  await rig.run('SendMessage', 'q', { MessageBody: 'x' }, all);
  await assert.rejects(rig.run('PurgeQueue', 'q', {}, all), denied);
  await rig.run('PurgeQueue', 'q', {});
  assert.equal(rig.memory.warnings.length, 1);
  assert.match(rig.memory.warnings[0]!.message, /conditions in an access policy/);
  await set(rig, 'q', { Policy: '' });
  await rig.run('SendMessage', 'q', { MessageBody: 'x' }, all);
  await assert.rejects(rig.run('SendMessage', 'q', { MessageBody: 'x' }, bob), denied);
});
