/** tx.*: transactions do not exist yet, and a client that asks for one must know. */
import { notImplemented } from '../errors.ts';

export function txSelect(): never {
  throw notImplemented('tx.select: transactions are not supported');
}

export function txCommit(): never {
  throw notImplemented('tx.commit: transactions are not supported');
}

export function txRollback(): never {
  throw notImplemented('tx.rollback: transactions are not supported');
}
