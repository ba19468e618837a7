import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AccessPolicy, checkPolicy, conditionalStatements } from './access-policy.ts';

const ARN = 'arn:aws:sqs:us-east-1:000000000000:orders';

function policy(...statements: object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements });
}

function statement(more: object) {
  return { Effect: 'Allow', Principal: '*', Action: '*', Resource: ARN, ...more };
}

function decides(text: string, action = 'SendMessage', user = 'bob'): boolean | null {
  const access = { user, action, account: '000000000000', queueArn: ARN };
  return new AccessPolicy(text).decides(access);
}

test('who is meant', () => {
  for (const [principal, expected] of [
    ['*', true],
    [{ AWS: '*' }, true],
    [{ AWS: '000000000000' }, true],
    [{ AWS: 'arn:aws:iam::000000000000:root' }, true],
    [{ AWS: ['arn:aws:iam::111111111111:root', 'arn:aws:iam::1:user/team/bob'] }, true],
    [{ AWS: 'arn:aws:iam::111111111111:root' }, null],
    [{ AWS: 'arn:aws:iam::000000000000:user/alice' }, null],
    [{ AWS: 'arn:aws:iam::000000000000:user/notbob' }, null],
    [{ Service: 's3.amazonaws.com' }, null],
  ] as const) {
    assert.equal(decides(policy(statement({ Principal: principal }))), expected);
  }
  const { Principal: _none, ...rest } = statement({});
  const others = { ...rest, NotPrincipal: { AWS: 'arn:aws:iam::0:user/alice' } };
  assert.equal(decides(policy(others)), true);
  assert.equal(decides(policy(others), 'SendMessage', 'alice'), null);
});

test('what is meant', () => {
  for (const [action, called, expected] of [
    ['SQS:SendMessage', 'SendMessage', true],
    ['sqs:sendmessage', 'SendMessage', true],
    ['SQS:SendMessage', 'SendMessageBatch', true],
    ['SQS:SendMessage', 'ReceiveMessage', null],
    ['SQS:*Message', 'ReceiveMessage', true],
    ['SQS:Send?essage', 'SendMessage', true],
    [['SQS:GetQueueUrl', 'SQS:DeleteMessage'], 'DeleteMessageBatch', true],
    ['SQS:SendMessage.', 'SendMessage', null],
  ] as const) {
    const text = policy(statement({ Action: action }));
    assert.equal(decides(text, called), expected, `${String(action)} ${called}`);
  }
  const { Action: _none, ...rest } = statement({});
  const all = policy({ ...rest, NotAction: 'SQS:PurgeQueue' });
  assert.equal(decides(all), true);
  assert.equal(decides(all, 'PurgeQueue'), null);
  assert.equal(decides(policy(statement({ Resource: `${ARN}-2` }))), null);
  assert.equal(decides(policy(statement({ Resource: 'arn:aws:sqs:*:*:ord*' }))), true);
});

test('a denial wins, a condition takes its statement out', () => {
  const deny = statement({ Effect: 'Deny', Action: 'SQS:SendMessage' });
  assert.equal(decides(policy(deny, statement({}))), false);
  assert.equal(decides(policy(statement({}), deny)), false);
  assert.equal(decides(policy(statement({}), deny), 'ReceiveMessage'), true);
  const conditional = { ...deny, Sid: 'tls', Condition: { Bool: {} } };
  assert.equal(decides(policy(statement({}), conditional)), true);
  assert.deepEqual(conditionalStatements(policy(statement({}), conditional)), ['tls']);
});

test('documents that are none', () => {
  for (const text of [
    '',
    'null',
    '[]',
    policy({}),
    policy(statement({ Effect: 'allow' })),
    policy(statement({ Action: 1 })),
    policy(statement({ Action: undefined })),
    policy(statement({ Principal: undefined })),
    policy(statement({ Principal: { AWS: [1] } })),
    policy(statement({ NotPrincipal: '*' })),
    policy(statement({ NotAction: 'sqs:SendMessage' })),
    policy(statement({ Ressource: ARN })),
    policy(statement({ NotResource: ARN })),
    JSON.stringify({ Statement: [null] }),
  ]) {
    assert.throws(() => checkPolicy(text), { shape: 'InvalidAttributeValue' }, text);
  }
  checkPolicy(JSON.stringify({ Statement: statement({}) }));
  checkPolicy('{}');
});

test('patterns, also such as a search that tries everything never ends', () => {
  for (const [action, expected] of [
    ['SQS:Send*', true],
    ['*Message', true],
    ['sqs:*d*ss*ge', true],
    ['sqs:SendMessag?', true],
    ['sqs:SendMessage?', null],
    ['sqs:Send', null],
    ['*essages', null],
    ['sqs.SendMessage', null],
    ['***', true],
    ['*s*'.repeat(400), null],
  ] as const) {
    assert.equal(decides(policy(statement({ Action: action }))), expected, action);
  }
  const resource = `arn:aws:sqs:*${'a*'.repeat(30)}b`;
  const queueArn = `arn:aws:sqs:us-east-1:000000000000:${'a'.repeat(80)}`;
  const access = { user: 'bob', action: 'SendMessage', account: '000000000000', queueArn };
  const text = policy(statement({ Resource: resource }));
  assert.equal(new AccessPolicy(text).decides(access), null);
});
