/**
 * What connection.start says about the server.
 *
 * `product` is RabbitMQ and `version` one of RabbitMQ's, because clients sniff them to decide which
 * features they may use (kombu, the Java client's tests); `platform` and `information` say who this
 * really is.
 */
import { FieldTable, longstr, type FieldValue } from './field-table.ts';

const CAPABILITIES = [
  'publisher_confirms',
  'exchange_exchange_bindings',
  'basic.nack',
  'consumer_cancel_notify',
  'connection.blocked',
  'consumer_priorities',
  'authentication_failure_close',
  'per_consumer_qos',
  'direct_reply_to',
];
/** The release whose behaviour is followed. */
const COMPATIBLE_VERSION = '4.1.0';

export function serverProperties(clusterId: string): FieldTable {
  const capabilities = new FieldTable();
  const yes: FieldValue = { type: 't', value: true };
  for (const name of CAPABILITIES) capabilities.set(name, yes);
  const properties = new FieldTable();
  properties.set('capabilities', { type: 'F', value: capabilities });
  properties.set('cluster_name', longstr(`posthorn@${clusterId}`));
  properties.set('copyright', longstr('Posthorn, Apache-2.0'));
  properties.set(
    'information',
    longstr('Posthorn, a broker that speaks AMQP 0-9-1 as RabbitMQ does'),
  );
  properties.set('platform', longstr('Posthorn'));
  properties.set('product', longstr('RabbitMQ'));
  properties.set('version', longstr(COMPATIBLE_VERSION));
  return properties;
}
