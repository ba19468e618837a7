/**
 * Where a request came in: the scheme and host that its client used, and the region that its signature
 * or its host names. Remembered for a connection, whose requests mostly say the same.
 */
import type { HttpRequest } from '#wire/http-request.ts';
import type { Site } from './action.ts';
import { ACCOUNT, DEFAULT_REGION, regionOfHost } from './queue-url.ts';

const AUTHORIZATION = Buffer.from('authorization');
const FORWARDED_HOST = Buffer.from('x-forwarded-host');
const FORWARDED_PROTO = Buffer.from('x-forwarded-proto');
const CREDENTIAL = 'Credential=';
const NO_BYTES = Buffer.alloc(0);
const REGION = /^[a-z0-9-]{1,40}$/;
const HOST = /^[A-Za-z0-9.\-_:[\]]+$/;

export class SiteReader {
  readonly #localAddress: string;
  #host = '';
  #scheme = '';
  #region = '';
  #site: Site | null = null;
  /** What it was read from: Host, and of Authorization what names the region. */
  #hostBytes = NO_BYTES;
  #scopeBytes = NO_BYTES;
  #secured = false;

  /** `localAddress`: host and port, for HTTP/1.0 without a Host. */
  constructor(localAddress: string) {
    this.#localAddress = localAddress;
  }

  read(request: HttpRequest, secured: boolean, query: string): Site {
    if (this.#isAsBefore(request, secured) && query === '') return this.#site!;
    const site = this.#read(request, secured, query);
    this.#remember(request, secured);
    return site;
  }

  #isAsBefore(request: HttpRequest, secured: boolean): boolean {
    const scope = this.#scopeBytes;
    if (this.#site === null || scope.length === 0 || secured !== this.#secured) return false;
    const { bytes, host } = request;
    const authorization = request.find(AUTHORIZATION);
    if (host < 0 || authorization < 0) return false;
    const hostBytes = request.valueEnd(host) - request.valueStart(host);
    if (hostBytes !== this.#hostBytes.length) return false;
    // A window that is shorter than the scope differs from it: there is a comma at the scope's end.
    return (
      startsWith(bytes, request.valueStart(host), this.#hostBytes) &&
      startsWith(bytes, request.valueStart(authorization), scope) &&
      request.find(FORWARDED_HOST) < 0 &&
      request.find(FORWARDED_PROTO) < 0
    );
  }

  #remember(request: HttpRequest, secured: boolean): void {
    this.#scopeBytes = NO_BYTES;
    const authorization = request.find(AUTHORIZATION);
    if (request.host < 0 || authorization < 0) return;
    if (request.find(FORWARDED_HOST) >= 0 || request.find(FORWARDED_PROTO) >= 0) return;
    const text = request.text(authorization);
    const credential = text.indexOf(CREDENTIAL);
    const comma = credential < 0 ? -1 : text.indexOf(',', credential);
    if (comma < 0) return;
    this.#scopeBytes = Buffer.from(text.slice(0, comma + 1), 'latin1');
    this.#hostBytes = Buffer.from(request.text(request.host), 'latin1');
    this.#secured = secured;
  }

  #read(request: HttpRequest, secured: boolean, query: string): Site {
    const host = hostOf(request) || this.#localAddress;
    const scheme = schemeOf(request, secured);
    const region = regionOf(request, query, host);
    const known = this.#site;
    if (known !== null && host === this.#host && scheme === this.#scheme) {
      if (region === this.#region) return known;
    }
    this.#host = host;
    this.#scheme = scheme;
    this.#region = region;
    this.#site = { account: ACCOUNT, region, baseUrl: `${scheme}://${host}` };
    return this.#site;
  }
}

function startsWith(bytes: Uint8Array, start: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[start + i] !== expected[i]) return false;
  return true;
}

/** '' when it is none that a URL can have. */
function hostOf(request: HttpRequest): string {
  const forwarded = request.find(FORWARDED_HOST);
  const text = forwarded < 0 ? request.text(request.host) : firstOf(request.text(forwarded));
  return HOST.test(text) ? text : '';
}

function schemeOf(request: HttpRequest, secured: boolean): string {
  const forwarded = request.find(FORWARDED_PROTO);
  const proto = forwarded < 0 ? '' : firstOf(request.text(forwarded)).toLowerCase();
  if (proto === 'https' || proto === 'http') return proto;
  return secured ? 'https' : 'http';
}

/** The one next to the client comes first. */
function firstOf(list: string): string {
  const comma = list.indexOf(',');
  return (comma < 0 ? list : list.slice(0, comma)).trim();
}

function regionOf(request: HttpRequest, query: string, host: string): string {
  const field = request.find(AUTHORIZATION);
  const region = field < 0 ? regionOfQuery(query) : regionOfAuthorization(request.text(field));
  return region ?? regionOfHost(host) ?? DEFAULT_REGION;
}

function regionOfAuthorization(text: string): string | null {
  const start = text.indexOf(CREDENTIAL);
  if (start < 0) return null;
  const comma = text.indexOf(',', start);
  return regionOfCredential(text.slice(start + CREDENTIAL.length, comma < 0 ? undefined : comma));
}

function regionOfQuery(query: string): string | null {
  const found = /(?:^|&)X-Amz-Credential=([^&]*)/.exec(query);
  return found === null ? null : regionOfCredential(found[1]!.replaceAll(/%2[fF]/g, '/'));
}

/** accessKey/date/region/service/aws4_request */
function regionOfCredential(credential: string): string | null {
  const region = credential.trimEnd().split('/').at(-3) ?? '';
  return REGION.test(region) ? region : null;
}
