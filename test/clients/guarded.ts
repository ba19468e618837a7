/**
 * The same users, permissions, limits and certificate for both sides: one server each with
 * plain text, with TLS for who wants it and with TLS for everybody. A nats-server cannot have users
 * and a token at once, so the token gets one more.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../scripts/peers/index.ts';

/** What a NATS connection may keep waiting in the servers of this file: small, to be reached fast. */
const pendingBytes = 4 * 1024 * 1024;

const limited = {
  publish: { allow: ['allowed.>', '_INBOX.>'], deny: ['allowed.secret'] },
  subscribe: { allow: ['allowed.>', '_INBOX.>'], deny: ['allowed.private'] },
};

export type Encryption = 'none' | 'either' | 'required';

export interface Certificate {
  ca: string;
  cert: string;
  key: string;
}

/** A certificate for localhost and the authority that signed it, made anew each time. */
export async function makeCertificate(folder: string): Promise<Certificate> {
  mkdirSync(folder, { recursive: true });
  const at = (name: string): string => join(folder, name);
  const files = { ca: at('ca.pem'), cert: at('cert.pem'), key: at('key.pem') };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const signed = async (
    name: string,
    out: readonly string[],
    more: readonly string[],
  ): Promise<void> => {
    await run('openssl', ['req', '-x509', ...key, '-days', '2', '-subj', name, ...out, ...more]);
  };
  await signed(
    '/CN=Client suite',
    ['-keyout', at('ca-key.pem'), '-out', files.ca],
    ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
  );
  const authority = ['-CA', files.ca, '-CAkey', at('ca-key.pem')];
  const names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const noAuthority = ['-addext', 'basicConstraints=critical,CA:FALSE'];
  await signed(
    '/CN=localhost',
    ['-keyout', files.key, '-out', files.cert],
    [...authority, ...names, ...noAuthority],
  );
  return files;
}

/** Writes Posthorn's configuration file and gives its path. */
export function posthornConfig(
  folder: string,
  { cert, key }: Certificate,
  encryption: Encryption,
): string {
  const file = join(folder, 'guarded.json');
  const config = {
    ...(encryption === 'none' ? {} : { tls: { cert, key, required: encryption === 'required' } }),
    limits: { pendingBytesMax: pendingBytes },
    users: [
      { name: 'app', password: 'secret' },
      { name: 'bearer', token: 't0ken' },
      { name: 'limited', password: 'secret', subjects: limited },
      {
        name: 'service',
        password: 'secret',
        subjects: {
          subscribe: { allow: ['service.>'] },
          publish: { allow: [] },
          allowResponses: true,
        },
      },
      { name: 'visitor', password: 'secret', token: 'session-token' },
    ],
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

/** Lines of nats-server's own configuration for the same. */
export function natsUsers(): string[] {
  const users = [
    { user: 'app', password: 'secret' },
    { user: 'limited', password: 'secret', permissions: limited },
    {
      user: 'service',
      password: 'secret',
      permissions: { subscribe: 'service.>', allow_responses: true },
    },
  ];
  return [`authorization: { timeout: 1, users: ${JSON.stringify(users)} }`, ...natsLimits()];
}

export function natsToken(): string[] {
  return ['authorization: { token: "t0ken", timeout: 1 }', ...natsLimits()];
}

export function natsTls({ cert, key }: Certificate, required: boolean): string[] {
  const tls = `tls: { cert_file: "${cert}", key_file: "${key}" }`;
  return [tls, ...(required ? [] : ['allow_non_tls: true']), ...natsUsers()];
}

function natsLimits(): string[] {
  return [`max_pending: ${pendingBytes}`];
}
