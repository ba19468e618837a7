/**
 * AWS Signature Version 4, as the one who checks it: a client proves that it knows a user's secret by
 * signing method, path, query, headers, body and time with it. The access key is the user's name, the
 * secret its password; a user's `token` may come along as the session token, and any other session
 * token is refused. Both forms are read: the header `Authorization`, and a presigned query.
 *
 * Everything is signed byte by byte, so texts here have one character for each byte.
 */
import type { Authenticator, Identity } from '#core/authenticator.ts';
import type { Clock, Hashes } from '#core/ports.ts';
import type { HttpRequest } from '#wire/http-request.ts';
import { SqsError } from './errors.ts';
import { canonicalPath, canonicalQuery, canonicalValue, splitQuery } from './sigv4-canonical.ts';
import type { QueryParameter } from './sigv4-canonical.ts';

const ALGORITHM = 'AWS4-HMAC-SHA256';
const TERMINATOR = 'aws4_request';
const SERVICE = 'sqs';
const UNSIGNED = 'UNSIGNED-PAYLOAD';
const SKEW_MS_MAX = 15 * 60_000;
const EXPIRES_SECONDS_MAX = 7 * 24 * 3600;
const KEYS_MAX = 256;
const SIGNATURE = /^[0-9a-f]{64}$/;

const AUTHORIZATION = Buffer.from('authorization');
const AMZ_DATE = Buffer.from('x-amz-date');
const DATE = Buffer.from('date');
const SECURITY_TOKEN = Buffer.from('x-amz-security-token');
const CONTENT_HASH = Buffer.from('x-amz-content-sha256');
const TARGET = Buffer.from('x-amz-target');
const FORWARDED_HOST = Buffer.from('x-forwarded-host');

/** What a client says about its signature, in either form. */
interface Claim {
  readonly presigned: boolean;
  readonly accessKey: string;
  /** date/region/sqs/aws4_request */
  readonly scope: readonly string[];
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** 20150830T123600Z */
  readonly time: string;
  readonly expiresSeconds: number;
  readonly sessionToken: string;
}

interface SignerServices {
  readonly auth: Authenticator;
  readonly ports: { readonly clock: Clock; readonly hashes: Hashes };
}

export class SignatureCheck {
  readonly #auth: Authenticator;
  readonly #clock: Clock;
  readonly #hashes: Hashes;
  /** Signing keys by access key and scope; four digests each. */
  readonly #keys = new Map<string, { readonly secret: string; readonly key: Uint8Array }>();

  constructor({ auth, ports }: SignerServices) {
    this.#auth = auth;
    this.#clock = ports.clock;
    this.#hashes = ports.hashes;
  }

  /** Who signed it. Throws SqsError. `path` and `query` as they were sent. */
  verify(request: HttpRequest, path: string, query: string, loopback: boolean): Identity {
    const parameters = splitQuery(query);
    const claim = readClaim(request, parameters);
    this.#checkTime(claim);
    const signer = this.#auth.signer(claim.accessKey, loopback);
    if (signer === null) throw new SqsError('UnrecognizedClientException');
    const { sessionToken } = claim;
    if (sessionToken !== '' && !isSame(sessionToken, signer.sessionToken ?? '')) {
      throw new SqsError('UnrecognizedClientException');
    }
    const key = this.#signingKey(claim, signer.secret);
    const resource = `${canonicalPath(path)}\n${canonicalQuery(parameters)}`;
    const payloads = this.#payloads(request, claim, parameters);
    for (const host of hostsOf(request)) {
      for (const payload of payloads) {
        const signature = this.#sign(request, claim, { resource, host, payload }, key);
        if (isSame(signature, claim.signature)) return signer.identity;
      }
    }
    throw new SqsError('InvalidSignatureException');
  }

  #checkTime(claim: Claim): void {
    const nowMs = this.#clock.now();
    const signedMs = timeOf(claim.time);
    if (Number.isNaN(signedMs)) {
      throw incomplete(`Date must be in ISO-8601 'basic format'. Got '${claim.time}'.`);
    }
    const [date] = claim.scope;
    if (date !== claim.time.slice(0, 8)) {
      throw new SqsError(
        'InvalidSignatureException',
        'Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: ' +
          `'${date}' != '${claim.time.slice(0, 8)}', from '${claim.time}'.`,
      );
    }
    const lifeMs = claim.presigned ? claim.expiresSeconds * 1000 : SKEW_MS_MAX;
    const bound = claim.presigned ? `${claim.expiresSeconds} s` : '15 min.';
    if (nowMs - signedMs > lifeMs) {
      const earliest = isoBasic(nowMs - lifeMs);
      throw new SqsError(
        'InvalidSignatureException',
        `Signature expired: ${claim.time} is now earlier than ${earliest} ` +
          `(${isoBasic(nowMs)} - ${bound})`,
      );
    }
    if (signedMs - nowMs > SKEW_MS_MAX) {
      throw new SqsError(
        'InvalidSignatureException',
        `Signature not yet current: ${claim.time} is still later than ` +
          `${isoBasic(nowMs + SKEW_MS_MAX)} (${isoBasic(nowMs)} + 15 min.)`,
      );
    }
  }

  #signingKey({ accessKey, scope }: Claim, secret: string): Uint8Array {
    const name = `${scope.join('/')}/${accessKey}`;
    const known = this.#keys.get(name);
    if (known?.secret === secret) return known.key;
    let key: Uint8Array = Buffer.from(`AWS4${secret}`);
    for (const part of scope) key = this.#hashes.hmacSha256(key, Buffer.from(part));
    if (this.#keys.size >= KEYS_MAX) this.#keys.clear();
    this.#keys.set(name, { secret, key });
    return key;
  }

  /** What the body's digest may be, as the last line of what is signed. */
  #payloads(
    request: HttpRequest,
    { presigned, signedHeaders }: Claim,
    parameters: readonly QueryParameter[],
  ): readonly string[] {
    const { bytes, bodyStart, bodyEnd } = request;
    const field = request.find(CONTENT_HASH);
    const inQuery = parameters.find(({ name }) => name === 'X-Amz-Content-Sha256')?.value;
    const given = field < 0 ? inQuery : request.text(field);
    if (given === UNSIGNED && (presigned || signedHeaders.includes('x-amz-content-sha256'))) {
      return [UNSIGNED];
    }
    const actual = this.#hashes.sha256Hex(bytes.subarray(bodyStart, bodyEnd));
    if (given !== undefined && given !== actual) {
      throw new SqsError(
        'InvalidSignatureException',
        "The value of 'x-amz-content-sha256' does not match the digest of the body.",
      );
    }
    return presigned ? [actual, UNSIGNED] : [actual];
  }

  #sign(
    request: HttpRequest,
    { time, scope, signedHeaders }: Claim,
    { resource, host, payload }: { resource: string; host: string; payload: string },
    key: Uint8Array,
  ): string {
    let headers = '';
    for (const name of signedHeaders) {
      headers += `${name}:${name === 'host' ? canonicalValue(host) : headerValue(request, name)}\n`;
    }
    const method = request.bytes.toString('latin1', request.methodStart, request.methodEnd);
    const canonical = `${method}\n${resource}\n${headers}\n${signedHeaders.join(';')}\n${payload}`;
    const digest = this.#hashes.sha256Hex(Buffer.from(canonical, 'latin1'));
    const toSign = `${ALGORITHM}\n${time}\n${scope.join('/')}\n${digest}`;
    return Buffer.from(this.#hashes.hmacSha256(key, Buffer.from(toSign))).toString('hex');
  }
}

/** Behind a proxy the client's own Host is one that the proxy passes on. */
function hostsOf(request: HttpRequest): readonly string[] {
  const host = request.text(request.host);
  const forwarded = request.find(FORWARDED_HOST);
  if (forwarded < 0) return [host];
  return [host, request.text(forwarded).split(',')[0]!.trim()];
}

/** All values of that name, in order. */
function headerValue(request: HttpRequest, name: string): string {
  const values: string[] = [];
  for (let i = 0; i < request.fieldCount; i++) {
    if (request.name(i).toLowerCase() === name) values.push(canonicalValue(request.text(i)));
  }
  if (values.length > 0) return values.join(',');
  throw new SqsError('InvalidSignatureException', `The signed header '${name}' is not there.`);
}

function readClaim(request: HttpRequest, parameters: readonly QueryParameter[]): Claim {
  const field = request.find(AUTHORIZATION);
  const algorithm = parameters.find(({ name }) => name === 'X-Amz-Algorithm');
  const claim = field >= 0 ? headerClaim(request, request.text(field)) : null;
  if (claim === null && algorithm === undefined) {
    throw new SqsError('MissingAuthenticationTokenException');
  }
  const found = claim ?? queryClaim(parameters);
  const [, , service, terminator] = found.scope;
  if (found.scope.length !== 4 || terminator !== TERMINATOR) {
    throw incomplete("Credential must have 5 elements, the last of them 'aws4_request'.");
  }
  if (service !== SERVICE) {
    throw new SqsError(
      'InvalidSignatureException',
      `Credential should be scoped to correct service: '${SERVICE}'.`,
    );
  }
  checkSigned(request, found);
  return found;
}

/** What decides about the request must be signed. Each name counts once: what is signed is made by
 * going through all fields for each, before it is known who asks. */
function checkSigned(request: HttpRequest, { signedHeaders, signature, presigned }: Claim): void {
  if (signedHeaders.length > request.fieldCount || hasTwins(signedHeaders)) {
    throw new SqsError(
      'InvalidSignatureException',
      'SignedHeaders names what is not there, or twice.',
    );
  }
  if (!SIGNATURE.test(signature)) throw new SqsError('InvalidSignatureException');
  if (!signedHeaders.includes('host')) {
    throw new SqsError(
      'InvalidSignatureException',
      "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    );
  }
  for (const name of presigned ? [TARGET] : [TARGET, SECURITY_TOKEN]) {
    if (request.find(name) < 0 || signedHeaders.includes(name.toString())) continue;
    throw new SqsError(
      'InvalidSignatureException',
      `The header '${name.toString()}' is there and is not signed.`,
    );
  }
}

function incomplete(message: string): SqsError {
  return new SqsError('IncompleteSignatureException', message);
}

/** AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=… */
function headerClaim(request: HttpRequest, text: string): Claim {
  if (!text.startsWith(`${ALGORITHM} `)) {
    throw incomplete(`Authorization header requires the algorithm '${ALGORITHM}'.`);
  }
  const parts = new Map<string, string>();
  for (const part of text.slice(ALGORITHM.length + 1).split(',')) {
    const equals = part.indexOf('=');
    if (equals > 0) parts.set(part.slice(0, equals).trim(), part.slice(equals + 1).trim());
  }
  const missing = ['Credential', 'SignedHeaders', 'Signature'].filter((name) => !parts.has(name));
  if (missing.length > 0) {
    const words = missing.map((name) => `Authorization header requires '${name}' parameter.`);
    throw incomplete(words.join(' '));
  }
  const [accessKey, scope] = credentialParts(parts.get('Credential')!);
  return {
    presigned: false,
    accessKey,
    scope,
    signedHeaders: headerNames(parts.get('SignedHeaders')!),
    signature: parts.get('Signature')!,
    time: headerTime(request),
    expiresSeconds: 0,
    sessionToken: request.text(request.find(SECURITY_TOKEN)),
  };
}

/** An access key, which is a user's name, may have slashes in it; the scope has none. */
function credentialParts(credential: string): [string, string[]] {
  const parts = credential.split('/');
  const accessKey = Buffer.from(parts.slice(0, -4).join('/'), 'latin1').toString();
  return [accessKey, parts.slice(-4)];
}

function headerNames(text: string): string[] {
  return text.toLowerCase().split(';');
}

function hasTwins(names: readonly string[]): boolean {
  return new Set(names).size < names.length;
}

function headerTime(request: HttpRequest): string {
  const amzDate = request.find(AMZ_DATE);
  if (amzDate >= 0) return request.text(amzDate);
  const date = request.find(DATE);
  if (date < 0) {
    throw incomplete(
      "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date'.",
    );
  }
  const text = request.text(date);
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? text : isoBasic(ms);
}

function queryClaim(parameters: readonly QueryParameter[]): Claim {
  const value = (name: string): string | undefined =>
    parameters.find((parameter) => parameter.name === name)?.value;
  const credential = value('X-Amz-Credential');
  const signedHeaders = value('X-Amz-SignedHeaders');
  const signature = value('X-Amz-Signature');
  const time = value('X-Amz-Date');
  const expiresSeconds = Number(value('X-Amz-Expires') ?? '900');
  if (value('X-Amz-Algorithm') !== ALGORITHM) {
    throw incomplete(`The parameter X-Amz-Algorithm must be '${ALGORITHM}'.`);
  }
  if (!credential || !signedHeaders || !signature || !time) {
    throw incomplete(
      'A presigned URL has X-Amz-Credential, X-Amz-Date, X-Amz-SignedHeaders and X-Amz-Signature.',
    );
  }
  if (!Number.isInteger(expiresSeconds) || expiresSeconds < 1) {
    throw incomplete('X-Amz-Expires must be a number of seconds.');
  }
  if (expiresSeconds > EXPIRES_SECONDS_MAX) {
    throw incomplete('X-Amz-Expires must be less than a week (in seconds).');
  }
  const [accessKey, scope] = credentialParts(credential);
  return {
    presigned: true,
    accessKey,
    scope,
    signedHeaders: headerNames(signedHeaders),
    signature,
    time,
    expiresSeconds,
    sessionToken: value('X-Amz-Security-Token') ?? '',
  };
}

/** 20150830T123600Z; NaN when it is none. */
function timeOf(text: string): number {
  const found = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (found === null) return NaN;
  const [, year, month, day, hour, minute, second] = found.map(Number);
  return Date.UTC(year!, month! - 1, day, hour, minute, second);
}

function isoBasic(ms: number): string {
  return new Date(ms).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
}

/** Takes as long wherever they differ. */
function isSame(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let differences = 0;
  for (let i = 0; i < a.length; i++) differences |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return differences === 0;
}
