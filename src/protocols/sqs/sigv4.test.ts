import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UserTable } from '#auth/user-table.ts';
import { hashesPort } from '#server/hashes.ts';
import {
  SECRET,
  SESSION_TOKEN,
  SIGNED_AT_MS,
  SIGNED_REQUESTS,
} from '#test/drive/signed-requests.ts';
import { HttpRequest } from '#wire/http-request.ts';
import { targetOf } from './dispatch.ts';
import { SqsError, type SqsErrorName } from './errors.ts';
import { SignatureCheck } from './sigv4.ts';

const LIMITS = { headBytesMax: 65_536, targetBytesMax: 65_536, fieldsMax: 100 };
const MINUTE_MS = 60_000;

interface Signed {
  head: readonly string[];
  body: string;
}

function check(nowMs = SIGNED_AT_MS): SignatureCheck {
  const auth = new UserTable([
    { name: 'alice', password: SECRET, token: SESSION_TOKEN },
    { name: 'hashed', passwordHash: Buffer.alloc(36).toString('base64') },
    { name: 'near', password: SECRET, loopbackOnly: true },
  ]);
  const ports = { clock: { now: () => nowMs }, hashes: hashesPort };
  return new SignatureCheck({ auth, ports });
}

function verify({ head, body }: Signed, by = check(), loopback = false): string {
  const request = new HttpRequest(LIMITS);
  const bytes = Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`, 'latin1');
  request.bodyStart = request.parse(bytes, 0, bytes.length);
  assert.ok(request.bodyStart > 0, request.reason);
  request.bodyEnd = bytes.length;
  const { path, query } = targetOf(request);
  return by.verify(request, path, query, loopback).name;
}

function refusal(signed: Signed, by?: SignatureCheck): SqsError {
  try {
    verify(signed, by);
  } catch (error) {
    if (error instanceof SqsError) return error;
    throw error;
  }
  throw new assert.AssertionError({ message: 'it was taken' });
}

const vector = (name: string): Signed => SIGNED_REQUESTS[name]!;

/** With lines changed; a line that becomes '' goes. */
function changed({ head, body }: Signed, from: string | RegExp, to: string): Signed {
  const lines = head.map((line) => line.replace(from, to)).filter((line) => line !== '');
  assert.notDeepEqual(lines, head, 'nothing was changed');
  return { head: lines, body };
}

describe('what an SDK signed is taken:', () => {
  for (const [name, signed] of Object.entries(SIGNED_REQUESTS)) {
    test(name, () => assert.equal(verify(signed), 'alice'));
  }

  test('behind a proxy that changed the Host and says what it was', () => {
    const moved = changed(vector('a JSON request'), 'Host: localhost:9324', 'Host: 10.0.0.1');
    assert.equal(refusal(moved).shape, 'InvalidSignatureException');
    const told = { ...moved, head: [...moved.head, 'X-Forwarded-Host: localhost:9324, 10.0.0.1'] };
    assert.equal(verify(told), 'alice');
  });

  test('within a quarter of an hour on either side', () => {
    for (const skew of [-15, 15]) {
      const by = check(SIGNED_AT_MS + skew * MINUTE_MS);
      assert.equal(verify(vector('a JSON request'), by), 'alice');
    }
  });

  test('with a session token, also of a client whose clock is wrong', () => {
    const by = check(SIGNED_AT_MS + 14 * MINUTE_MS);
    assert.equal(verify(vector('with a session token'), by), 'alice');
  });

  test('a presigned URL as long as it says', () => {
    assert.equal(verify(vector('a presigned URL'), check(SIGNED_AT_MS + 600_000)), 'alice');
  });
});

const JSON_REQUEST = vector('a JSON request');
const QUERY = vector('a query');
const PRESIGNED = vector('a presigned URL');
const WITH_TOKEN = vector('with a session token');
const AUTHORIZATION = /^Authorization: .*$/;

const REFUSED: readonly [string, Signed, SqsErrorName, RegExp][] = [
  [
    'no signature',
    changed(JSON_REQUEST, AUTHORIZATION, ''),
    'MissingAuthenticationTokenException',
    /is missing Authentication Token/,
  ],
  [
    'another body',
    { ...JSON_REQUEST, body: '[]' },
    'InvalidSignatureException',
    /does not match the signature you provided/,
  ],
  [
    'another action',
    changed(JSON_REQUEST, 'ListQueues', 'PurgeQueue'),
    'InvalidSignatureException',
    /does not match/,
  ],
  [
    'another method',
    changed(JSON_REQUEST, 'POST', 'GET'),
    'InvalidSignatureException',
    /does not match/,
  ],
  [
    'another path',
    changed(JSON_REQUEST, 'POST /', 'POST /a'),
    'InvalidSignatureException',
    /does not match/,
  ],
  [
    'another query',
    changed(QUERY, 'Prefix=a', 'Prefix=b'),
    'InvalidSignatureException',
    /does not match/,
  ],
  [
    'another parameter',
    changed(QUERY, '&A=', '&A=&B='),
    'InvalidSignatureException',
    /does not match/,
  ],
  [
    'another time',
    changed(JSON_REQUEST, 'Date: 20231114T221320Z', 'Date: 20231114T221321Z'),
    'InvalidSignatureException',
    /does not match/,
  ],
  [
    'another region',
    changed(JSON_REQUEST, 'eu-west-1', 'eu-west-2'),
    'InvalidSignatureException',
    /does not match/,
  ],
  [
    'another day in the scope',
    changed(JSON_REQUEST, 'alice/20231114', 'alice/20231113'),
    'InvalidSignatureException',
    /Date in Credential scope does not match/,
  ],
  [
    'another service',
    changed(JSON_REQUEST, '/sqs/', '/sns/'),
    'InvalidSignatureException',
    /scoped to correct service: 'sqs'/,
  ],
  [
    'another signature',
    changed(JSON_REQUEST, /Signature=../, 'Signature=00'),
    'InvalidSignatureException',
    /does not match/,
  ],
  [
    'a short signature',
    changed(JSON_REQUEST, /Signature=../, 'Signature='),
    'InvalidSignatureException',
    /does not match/,
  ],
  [
    'an unknown user',
    changed(JSON_REQUEST, 'alice/', 'bob/'),
    'UnrecognizedClientException',
    /security token included in the request is invalid/,
  ],
  [
    'a user with a hash only',
    changed(JSON_REQUEST, 'alice/', 'hashed/'),
    'UnrecognizedClientException',
    /invalid/,
  ],
  [
    'a user from this machine only',
    changed(JSON_REQUEST, 'alice/', 'near/'),
    'UnrecognizedClientException',
    /invalid/,
  ],
  [
    'another session token',
    changed(WITH_TOKEN, 'tok/en', 'tok/EN'),
    'UnrecognizedClientException',
    /invalid/,
  ],
  [
    'a session token that is not signed',
    { ...JSON_REQUEST, head: [...JSON_REQUEST.head, `X-Amz-Security-Token: ${SESSION_TOKEN}`] },
    'InvalidSignatureException',
    /is not signed/,
  ],
  [
    'an action that is not signed',
    { ...QUERY, head: [...QUERY.head, 'X-Amz-Target: AmazonSQS.PurgeQueue'] },
    'InvalidSignatureException',
    /is not signed/,
  ],
  [
    'a host that is not signed',
    changed(JSON_REQUEST, ';host;', ';'),
    'InvalidSignatureException',
    /must be a 'SignedHeader'/,
  ],
  [
    'a signed header that is not there',
    changed(JSON_REQUEST, ';host;', ';host;x-more;'),
    'InvalidSignatureException',
    /'x-more' is not there/,
  ],
  [
    'a signed header that is named twice',
    changed(JSON_REQUEST, ';host;', ';host;host;'),
    'InvalidSignatureException',
    /names what is not there, or twice/,
  ],
  [
    'more signed headers than there are fields',
    changed(
      JSON_REQUEST,
      ';host;',
      `;host;${Array.from({ length: 50 }, (_, i) => `x-${i};`).join('')}`,
    ),
    'InvalidSignatureException',
    /names what is not there, or twice/,
  ],
  [
    'parts that are not there',
    changed(JSON_REQUEST, AUTHORIZATION, 'Authorization: AWS4-HMAC-SHA256 Credential=alice'),
    'IncompleteSignatureException',
    /requires 'SignedHeaders' parameter. Authorization header requires 'Signature' parameter/,
  ],
  [
    'a credential without a scope',
    changed(JSON_REQUEST, /alice[^,]*/, 'alice'),
    'IncompleteSignatureException',
    /must have 5 elements/,
  ],
  [
    'another algorithm',
    changed(JSON_REQUEST, 'AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256'),
    'IncompleteSignatureException',
    /requires the algorithm/,
  ],
  [
    'a password instead',
    changed(JSON_REQUEST, AUTHORIZATION, 'Authorization: Basic YWxpY2U6czNjcmV0'),
    'IncompleteSignatureException',
    /requires the algorithm/,
  ],
  [
    'no time',
    changed(JSON_REQUEST, /^X-Amz-Date.*/, ''),
    'IncompleteSignatureException',
    /requires existence of either/,
  ],
  [
    'a time that is none',
    changed(JSON_REQUEST, 'Date: 20231114T221320Z', 'Date: yesterday'),
    'IncompleteSignatureException',
    /ISO-8601/,
  ],
  [
    'a digest of another body',
    { ...JSON_REQUEST, head: [...JSON_REQUEST.head, `X-Amz-Content-Sha256: ${'0'.repeat(64)}`] },
    'InvalidSignatureException',
    /does not match the digest/,
  ],
  [
    'a payload that claims to be unsigned',
    { ...JSON_REQUEST, head: [...JSON_REQUEST.head, 'X-Amz-Content-Sha256: UNSIGNED-PAYLOAD'] },
    'InvalidSignatureException',
    /does not match/,
  ],
  [
    'a presigned URL for more than a week',
    changed(PRESIGNED, 'Expires=600', 'Expires=604801'),
    'IncompleteSignatureException',
    /less than a week/,
  ],
  [
    'a presigned URL that lives longer than it was signed for',
    changed(PRESIGNED, 'Expires=600', 'Expires=601'),
    'InvalidSignatureException',
    /does not match/,
  ],
  [
    'a presigned URL without a signature',
    changed(PRESIGNED, /&X-Amz-Signature=\w+/, ''),
    'IncompleteSignatureException',
    /A presigned URL has/,
  ],
];

describe('refused:', () => {
  for (const [name, signed, shape, message] of REFUSED) {
    test(name, () => {
      const error = refusal(signed);
      assert.equal(error.shape, shape, error.message);
      assert.match(error.message, message);
    });
  }

  test('too old, and too new', () => {
    const late = refusal(JSON_REQUEST, check(SIGNED_AT_MS + 15 * MINUTE_MS + 1000));
    assert.equal(late.code, 'SignatureDoesNotMatch');
    assert.equal(
      late.message,
      'Signature expired: 20231114T221320Z is now earlier than 20231114T221321Z ' +
        '(20231114T222821Z - 15 min.)',
    );
    const early = refusal(JSON_REQUEST, check(SIGNED_AT_MS - 15 * MINUTE_MS - 1000));
    assert.equal(
      early.message,
      'Signature not yet current: 20231114T221320Z is still later than 20231114T221319Z ' +
        '(20231114T215819Z + 15 min.)',
    );
    const withToken = refusal(WITH_TOKEN, check(SIGNED_AT_MS + 16 * MINUTE_MS));
    assert.match(withToken.message, /^Signature expired: /);
    const expired = refusal(PRESIGNED, check(SIGNED_AT_MS + 601_000));
    assert.match(expired.message, /^Signature expired: /);
  });
});

test('a user from this machine only may come from this machine', () => {
  // The name of who signs is not signed; this one has the same secret.
  assert.equal(verify(changed(JSON_REQUEST, 'alice/', 'near/'), check(), true), 'near');
});
