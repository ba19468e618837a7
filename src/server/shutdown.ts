/**
 * An orderly end: no new connections, everybody takes their leave in the words of their protocol,
 * what is gathered is committed and closed. Each step is bounded: a peer that does not answer, or a
 * disk that hangs, delays the end but does not prevent it.
 */
import type { Broker } from '#core/broker.ts';
import { closeDoors, type Door } from './doors.ts';
import type { HttpListener } from './http.ts';
import type { Logger } from './log.ts';
import type { Pacemaker } from './pacemaker.ts';

/** For goodbyes. Clients answer in milliseconds; who has not is not there. */
export const DRAIN_MS = 3_000;
/** Of the whole, with the last commit. */
const SHUTDOWN_MS = 15_000;

export interface ServerParts {
  doors: readonly Door[];
  httpListeners: readonly HttpListener[];
  broker: Broker;
  pacemaker: Pacemaker;
  logger: Logger;
  /** The store did not close in time. */
  stuck: () => void;
}

/** True when every connection took its leave in time. */
export async function shutDown(parts: ServerParts, graceMs: number): Promise<boolean> {
  const { doors, httpListeners, broker, pacemaker, logger } = parts;
  const bound = setTimeout(() => {
    logger.fatal({ afterMs: SHUTDOWN_MS }, 'the store did not close in time: ending without it');
    parts.stuck();
  }, SHUTDOWN_MS);
  const drained = await closeDoors(doors, graceMs, logger);
  pacemaker.stop();
  await broker.close();
  for (const http of httpListeners) http.close();
  clearTimeout(bound);
  return drained;
}
