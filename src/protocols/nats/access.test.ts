import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SubjectPermissions } from '#core/authenticator.ts';
import { Access } from './access.ts';

let nowMs = 0;

interface Given {
  publish?: { allow?: string[] | null; deny?: string[] };
  subscribe?: { allow?: string[] | null; deny?: string[] };
  allowResponses?: boolean;
}

function access({ publish = {}, subscribe = {}, allowResponses = false }: Given): Access {
  const subjects: SubjectPermissions = {
    publish: { allow: publish.allow ?? null, deny: publish.deny ?? [] },
    subscribe: { allow: subscribe.allow ?? null, deny: subscribe.deny ?? [] },
    allowResponses,
  };
  const identity = { name: 'u', tags: [], mayEnter: () => true, may: () => false, subjects };
  return new Access(identity, '/', () => nowMs);
}

const answer = Buffer.from('_INBOX.1');

test('publishing: allow, deny, both, neither', () => {
  const open = access({});
  assert.equal(open.publishesAll, true);
  const both = access({ publish: { allow: ['a.>', 'b'], deny: ['a.x', 'a.y.*'] } });
  assert.equal(both.publishesAll, false);
  const may = ['a.b', 'a.y', 'b', 'a.x.z'];
  const mayNot = ['a', 'a.x', 'a.y.z', 'b.c', 'c'];
  for (const subject of may) assert.equal(both.mayPublish(subject), true, subject);
  for (const subject of mayNot) assert.equal(both.mayPublish(subject), false, subject);
  for (const subject of may) assert.equal(both.mayPublish(subject), true, 'remembered');
  assert.equal(access({ publish: { allow: [] } }).mayPublish('a'), false);
});

test('subscribing: a wildcard needs a rule that is as wide', () => {
  const it = access({ subscribe: { allow: ['a.*', 'b.>'], deny: ['b.secret.>'] } });
  for (const subject of ['a.b', 'a.*', 'b.>', 'b.*', 'b.secret', 'b.*.x']) {
    assert.equal(it.maySubscribe(subject, null), true, subject);
  }
  for (const subject of ['>', 'a.>', 'a', '*.b', 'b.secret.x', 'b.secret.*']) {
    assert.equal(it.maySubscribe(subject, null), false, subject);
  }
});

test('subscribing: rules of queue groups', () => {
  const it = access({ subscribe: { allow: ['foo', 'foo v1', 'bar v*', 'bar *.dev'] } });
  assert.equal(it.maySubscribe('foo', null), true);
  assert.equal(it.maySubscribe('foo', 'v1'), true);
  assert.equal(it.maySubscribe('foo', 'v2'), false);
  assert.equal(it.maySubscribe('bar', null), false);
  assert.equal(it.maySubscribe('bar', 'v*'), true);
  assert.equal(it.maySubscribe('bar', 'x.dev'), true);
  assert.equal(it.maySubscribe('bar', 'v1'), false, 'a wildcard is a whole word');
  const deny = access({ subscribe: { deny: ['foo v1'] } });
  assert.equal(deny.maySubscribe('foo', null), true);
  assert.equal(deny.maySubscribe('foo', 'v1'), false);
  assert.equal(deny.maySubscribe('foo', 'v2'), true);
});

test('what a wider subscription must not see is filtered', () => {
  const it = access({ subscribe: { deny: ['a.secret', 'b.*.x'] } });
  assert.equal(it.maySubscribe('a.>', null), true);
  assert.equal(it.filtersDelivery('a.>', null), true);
  assert.equal(it.filtersDelivery('*.*.x', null), true);
  assert.equal(it.filtersDelivery('c.>', null), false);
  assert.equal(it.filtersDelivery('a.b', null), false);
  assert.equal(it.deniesDelivery('a.secret', null), true);
  assert.equal(it.deniesDelivery('b.c.x', null), true);
  assert.equal(it.deniesDelivery('a.public', null), false);
});

test('responses: once, within two minutes, and instead of everything else', () => {
  const it = access({ allowResponses: true });
  assert.equal(it.publishesAll, false);
  assert.equal(it.mayPublish('_INBOX.1'), false);
  it.expectReply(answer, 0, answer.length);
  assert.equal(it.mayPublish('elsewhere'), false);
  assert.equal(it.mayPublish('_INBOX.1'), true);
  assert.equal(it.mayPublish('_INBOX.1'), false);
  it.expectReply(answer, 0, answer.length);
  nowMs += 120_001;
  assert.equal(it.mayPublish('_INBOX.1'), false);
});

test('replies that are never given cost a bounded amount of memory', () => {
  const it = access({ allowResponses: true });
  for (let i = 0; i < 5000; i++) {
    const reply = Buffer.from(`r.${i}`);
    it.expectReply(reply, 0, reply.length);
  }
  assert.equal(it.mayPublish('r.0'), false, 'the oldest is forgotten');
  assert.equal(it.mayPublish('r.4999'), true);
});
