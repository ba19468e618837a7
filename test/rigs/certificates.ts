/**
 * Certificates for tests, made when they are needed: X.509 v3 (RFC 5280) in DER, by hand, for the
 * platform can sign and read them but not write them. Keys are P-256.
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export interface Certificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Certificate {
  /** A certificate for localhost and 127.0.0.1, for servers and for clients. */
  issue(name: string, validity?: { fromMs: number; toMs: number }): Certificate;
}

const ECDSA_SHA256 = '2a8648ce3d040302';
const NAME_ATTRIBUTE = '550403';
const BASIC_CONSTRAINTS = '551d13';
const ALTERNATIVE_NAMES = '551d11';
const DAY_MS = 86_400_000;

const Tag = {
  Boolean: 1,
  Integer: 2,
  Bits: 3,
  Octets: 4,
  Oid: 6,
  Utf8: 12,
  Time: 24,
  Sequence: 0x30,
  Set: 0x31,
};

export function createAuthority(name = 'test authority'): Authority {
  const keys = newKeys();
  const extensions = [extension(BASIC_CONSTRAINTS, der(Tag.Sequence, der(Tag.Boolean, [0xff])))];
  const own = { name, publicKey: keys.publicKey, validity: aroundNow(), extensions };
  return {
    ...pem(certificate(own, name, keys.privateKey), keys.privateKey),
    issue: (leaf, validity = aroundNow()) => {
      const { publicKey, privateKey } = newKeys();
      const dns = der(0x82, Buffer.from('localhost'));
      const ip = der(0x87, [127, 0, 0, 1]);
      const names = extension(ALTERNATIVE_NAMES, der(Tag.Sequence, dns, ip));
      const subject = { name: leaf, publicKey, validity, extensions: [names] };
      return pem(certificate(subject, name, keys.privateKey), privateKey);
    },
  };
}

interface Subject {
  name: string;
  publicKey: KeyObject;
  validity: { fromMs: number; toMs: number };
  extensions: Buffer[];
}

/** Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue } */
function certificate(subject: Subject, issuer: string, issuerKey: KeyObject): Buffer {
  const algorithm = der(Tag.Sequence, der(Tag.Oid, Buffer.from(ECDSA_SHA256, 'hex')));
  const { fromMs, toMs } = subject.validity;
  const toBeSigned = der(
    Tag.Sequence,
    der(0xa0, der(Tag.Integer, [2])),
    der(Tag.Integer, [1 + Math.floor(Math.random() * 126), Math.floor(Math.random() * 256)]),
    algorithm,
    distinguishedName(issuer),
    der(Tag.Sequence, time(fromMs), time(toMs)),
    distinguishedName(subject.name),
    subject.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(Tag.Sequence, ...subject.extensions)),
  );
  const signature = sign('sha256', toBeSigned, issuerKey);
  return der(Tag.Sequence, toBeSigned, algorithm, der(Tag.Bits, [0], signature));
}

function distinguishedName(name: string): Buffer {
  const type = der(Tag.Oid, Buffer.from(NAME_ATTRIBUTE, 'hex'));
  const attribute = der(Tag.Sequence, type, der(Tag.Utf8, Buffer.from(name)));
  return der(Tag.Sequence, der(Tag.Set, attribute));
}

function extension(oid: string, value: Buffer): Buffer {
  return der(Tag.Sequence, der(Tag.Oid, Buffer.from(oid, 'hex')), der(Tag.Octets, value));
}

/** GeneralizedTime: YYYYMMDDHHMMSSZ. */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/\D/g, '').slice(0, 14);
  return der(Tag.Time, Buffer.from(`${digits}Z`));
}

function der(tag: number, ...parts: (Uint8Array | number[])[]): Buffer {
  const content = Buffer.concat(parts.map((it) => Buffer.from(it)));
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function aroundNow(): { fromMs: number; toMs: number } {
  return { fromMs: Date.now() - DAY_MS, toMs: Date.now() + DAY_MS };
}

function newKeys(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function pem(certificate: Buffer, key: KeyObject): Certificate {
  const base64 = certificate.toString('base64').replaceAll(/.{64}/g, '$&\n');
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    key: key.export({ type: 'pkcs8', format: 'pem' }),
  };
}
