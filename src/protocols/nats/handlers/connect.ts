/**
 * CONNECT <options as JSON>: who the client is and what it wants. `verbose`, `pedantic` and `echo`
 * are true until a client says otherwise; a later CONNECT changes what it names.
 *
 * Names of options are found whatever their case, as Go's JSON reader finds them. Unknown ones are
 * passed over, for newer clients send newer ones; those that would have to be honoured and cannot be
 * (nkeys, JWTs, accounts, TLS on a plain connection) are refused.
 */
import type { Identity } from '#core/authenticator.ts';
import type { NatsConnection } from '../connection.ts';
import { fatal, Text } from '../errors.ts';

export interface ConnectOptions {
  verbose: boolean;
  pedantic: boolean;
  echo: boolean;
  headers: boolean;
  no_responders: boolean;
  tls_required: boolean;
  protocol: number;
  name: string;
  lang: string;
  version: string;
  user: string;
  pass: string;
  auth_token: string;
  nkey: string;
  jwt: string;
  sig: string;
  account: string;
  new_account: boolean;
  proxy_sig: string;
}

export function defaultOptions(): ConnectOptions {
  return {
    verbose: true,
    pedantic: true,
    echo: true,
    headers: false,
    no_responders: false,
    tls_required: false,
    protocol: 0,
    name: '',
    lang: '',
    version: '',
    user: '',
    pass: '',
    auth_token: '',
    nkey: '',
    jwt: '',
    sig: '',
    account: '',
    new_account: false,
    proxy_sig: '',
  };
}

const PROTOCOL_MAX = 1;

export function connect(connection: NatsConnection, json: string): void {
  const options = { ...connection.options };
  readOptions(json, options);
  connection.hasConnected();
  const { node, peer, sink } = connection;
  // A WebSocket's TLS may end at a proxy, where nobody here sees it.
  const sees = peer.transport !== 'websocket';
  if (options.tls_required && !sink.secured && sees) throw fatal(Text.TlsRequired);
  const unsupported = options.nkey || options.jwt || options.account || options.proxy_sig;
  if (unsupported !== '' || options.new_account) throw fatal(Text.AuthorizationViolation);
  const finish = (identity: Identity | null): void => accept(connection, options, identity);
  const { auth } = node.broker;
  if (options.auth_token !== '') {
    connection.holdFor(auth.checkToken(options.auth_token, peer.loopback), finish);
  } else if (options.user !== '' || options.pass !== '') {
    connection.holdFor(auth.check(options.user, options.pass, peer.loopback), finish);
  } else finish(auth.anonymous(peer.loopback));
}

function accept(
  connection: NatsConnection,
  options: ConnectOptions,
  identity: Identity | null,
): void {
  const { namespace } = connection.node;
  if (identity === null || !identity.mayEnter(namespace.name)) {
    throw fatal(Text.AuthorizationViolation);
  }
  if (options.protocol < 0 || options.protocol > PROTOCOL_MAX) {
    throw fatal(Text.InvalidClientProtocol);
  }
  if (options.no_responders && !options.headers) throw fatal(Text.NoRespondersNeedHeaders);
  connection.configure(options, identity);
  if (options.verbose) connection.ok();
}

function readOptions(json: string, into: ConnectOptions): void {
  let given: unknown;
  try {
    given = JSON.parse(json);
  } catch (error) {
    if (error instanceof SyntaxError) throw fatal(Text.ParserError);
    throw error;
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw fatal(Text.ParserError);
  }
  const options = into as unknown as Record<string, unknown>;
  for (const [key, value] of Object.entries(given)) {
    const name = key.toLowerCase();
    if (!Object.hasOwn(options, name) || value === null) continue;
    if (typeof value !== typeof options[name]) throw fatal(Text.ParserError);
    options[name] = value;
  }
}
