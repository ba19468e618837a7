/**
 * The package's entry: a broker inside a process. What is exported here is all that its users see.
 */
import type { Broker, BrokerOptions } from './api.ts';
import { EmbeddedBroker } from './embedded-broker.ts';
import { checkNodeVersion } from './node-version.ts';

export type * from './api.ts';
export type * from './spied.ts';

checkNodeVersion();

/**
 * Starts a broker inside this process: in memory and on free ports of 127.0.0.1 unless told. Several
 * may run side by side. Close it with `await using` or `close()`.
 *
 * ```ts
 * await using broker = await startBroker();
 * const connection = await amqplib.connect(broker.amqp.url);
 * ```
 *
 * Rejects with a TypeError for an option that there is not.
 */
export function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  return EmbeddedBroker.start(options);
}
