/** Permission checks in RabbitMQ's words, and names as it takes them. */
import { Permission } from '#core/authenticator.ts';
import type { Channel } from './channel.ts';
import { accessRefused, notFound, thing } from './errors.ts';

const CR_LF = /[\r\n]/g;

/** RabbitMQ strips line ends from names, since log lines would break at them. */
export function stripped(name: string): string {
  return name.replace(CR_LF, '');
}

export function checkPermission(
  channel: Channel,
  permission: Permission,
  kind: 'queue' | 'exchange',
  name: string,
): void {
  const { identity, vhost } = channel.connection;
  if (identity.may(permission, vhost, name)) return;
  const shown = kind === 'exchange' && name === '' ? 'amq.default' : name;
  const what = thing(kind, shown, vhost);
  throw accessRefused(`${permission} access to ${what} refused for user '${identity.name}'`);
}

/** 'amq.' names are the broker's own. */
export function checkReserved(kind: 'queue' | 'exchange', name: string): void {
  if (name.startsWith('amq.')) {
    throw accessRefused(`${kind} name '${name}' contains reserved prefix 'amq.*'`);
  }
}

export function checkNotDefault(exchange: string): void {
  if (exchange === '') throw accessRefused('operation not permitted on the default exchange');
}

/** An empty queue name means the one declared last on this channel. */
export function queueName(channel: Channel, name: string): string {
  if (name !== '') return stripped(name);
  if (channel.lastQueue === '') throw notFound('no previously declared queue');
  return channel.lastQueue;
}

export { Permission };
