/**
 * What a start warns of: settings that can be meant, and mostly are not.
 */
import type { Binding } from './binding.ts';
import type { Logger } from './log.ts';
import { isLoopback } from './peer.ts';
import type { Settings } from './settings.ts';

type Guards = Pick<Settings, 'users' | 'tls'>;

/**
 * Kafka clients have no way here to say who they are. Who configures users, or lets other machines
 * in, has to know.
 */
export function warnOfUnguardedKafka(
  bound: readonly Binding[],
  { users, tls }: Guards,
  logger: Logger,
): void {
  const kafka = bound.find((it) => it.name === 'kafka');
  if (!kafka || (users === null && kafka.hosts.every(isLoopback))) return;
  const isTlsRequired =
    tls !== null &&
    (typeof tls.required === 'boolean' ? tls.required : (tls.required.kafka ?? false));
  // Then a certificate is the password.
  if (isTlsRequired && tls.verifyClient) return;
  const { port, hosts } = kafka;
  logger.warn(
    { port, hosts },
    `Kafka clients need no password: whoever reaches port ${port} may read and write all topics; ` +
      'close it with --port kafka=off, or keep it behind a firewall',
  );
}

/** A namespace can be made later, so this is no reason to refuse. */
export function warnOfUnknownNamespaces(
  known: ReadonlyMap<string, unknown>,
  users: Settings['users'],
  logger: Logger,
): void {
  for (const { name, permissions = {} } of users ?? []) {
    for (const namespace of Object.keys(permissions)) {
      if (known.has(namespace)) continue;
      logger.warn(
        { user: name, namespace },
        `user '${name}' has permissions for the namespace '${namespace}', which is not there; ` +
          `there are ${[...known.keys()].map((it) => `'${it}'`).join(', ')}`,
      );
    }
  }
}
