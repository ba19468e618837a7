/**
 * Doors: the ways into a server that protocol connections come by, and how they are closed: nobody
 * new comes in, everybody who is there takes their leave in the words of their protocol, and who
 * has not in time is cut.
 */
import type { Logger } from './log.ts';

export interface Door {
  readonly connectionCount: number;
  tick(nowMs: number): void;
  /** The clock was moved. */
  step(byMs: number): void;
  /** No further connections; those that are open stay. */
  stopAccepting(): void;
  /** Asks every connection to take its leave; resolves when all are gone. */
  drain(): Promise<void>;
  /** Ends what has not taken its leave. */
  destroy(): void;
}

/** True when every connection took its leave in time. */
export async function closeDoors(
  doors: readonly Door[],
  graceMs: number,
  logger: Logger,
): Promise<boolean> {
  for (const door of doors) door.stopAccepting();
  const drained = await within(graceMs, Promise.all(doors.map((it) => it.drain())));
  if (drained) return true;
  const left = doors.reduce((sum, it) => sum + it.connectionCount, 0);
  if (graceMs > 0) logger.warn({ connections: left }, 'connections did not take their leave: cut');
  const gone = doors.map((it) => it.drain());
  for (const door of doors) door.destroy();
  await Promise.all(gone);
  return false;
}

/** True when the promise resolved in time. */
async function within(limitMs: number, promise: Promise<unknown>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), limitMs);
  const inTime = await Promise.race([promise.then(() => true), late.promise]);
  clearTimeout(timer);
  return inTime;
}
