/**
 * An orderly end: no new connections, everybody takes their leave in the words of their protocol,
 * what is gathered is committed and closed. Each step is bounded:
 * a peer that does not answer, or a disk that hangs, delays the end but does not prevent it.
 */
import type { Logger } from './log.ts';
import type { Broker } from '#core/broker.ts';
import type { HttpListener } from './http.ts';
import type { Listener } from './listener.ts';
import type { Pacemaker } from './pacemaker.ts';

/** For goodbyes. Clients answer in milliseconds; who has not is not there. */
const DRAIN_MS = 3_000;
/** Of the whole, with the last commit. */
const SHUTDOWN_MS = 15_000;

export interface ServerParts {
  listeners: readonly Listener[];
  httpListeners: readonly HttpListener[];
  broker: Broker;
  pacemaker: Pacemaker;
  logger: Logger;
  /** The store did not close in time. */
  stuck: () => void;
}

/** True when every connection took its leave in time. */
export async function shutDown(parts: ServerParts): Promise<boolean> {
  const { listeners, httpListeners, broker, pacemaker, logger } = parts;
  const bound = setTimeout(() => {
    logger.fatal({ afterMs: SHUTDOWN_MS }, 'the store did not close in time: ending without it');
    parts.stuck();
  }, SHUTDOWN_MS);
  for (const listener of listeners) listener.stopAccepting();
  const drained = await within(DRAIN_MS, Promise.all(listeners.map((it) => it.drain())));
  if (!drained) {
    const left = listeners.reduce((sum, it) => sum + it.connectionCount, 0);
    logger.warn({ connections: left }, 'connections did not take their leave: cut');
    const gone = listeners.map((it) => it.drain());
    for (const listener of listeners) listener.destroy();
    await Promise.all(gone);
  }
  pacemaker.stop();
  await broker.close();
  for (const http of httpListeners) http.close();
  clearTimeout(bound);
  return drained;
}

/** True when the promise resolved in time. */
async function within(limitMs: number, promise: Promise<unknown>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), limitMs);
  const inTime = await Promise.race([promise.then(() => true), late.promise]);
  clearTimeout(timer);
  return inTime;
}
