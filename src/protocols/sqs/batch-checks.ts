/** What is asked of a batch as a whole; where it is wrong, none of its entries is looked at. */
import { BrokerError } from '#core/errors.ts';
import type { FailedEntry, OutgoingMessage } from './actions.ts';
import { asSqsError, missingParameter, SqsError } from './errors.ts';
import { messageBytes } from './outgoing-checks.ts';
import { MESSAGE_BYTES_MAX } from './queue-attributes.ts';

const ENTRIES_MAX = 10;
const ENTRY_ID = /^[A-Za-z0-9_-]{1,80}$/;

interface Entry {
  readonly Id: string;
}

/** `kind`: such as SendMessage, for the text. Throws SqsError. */
export function checkEntries(kind: string, entries: readonly Entry[]): void {
  if (entries.length === 0) {
    throw new SqsError(
      'EmptyBatchRequest',
      `There should be at least one ${kind}BatchRequestEntry in the request.`,
    );
  }
  if (entries.length > ENTRIES_MAX) {
    throw new SqsError(
      'TooManyEntriesInBatchRequest',
      `Maximum number of entries per request are ${ENTRIES_MAX}. You have sent ${entries.length}.`,
    );
  }
  for (const { Id } of entries) {
    if (!ENTRY_ID.test(Id)) throw new SqsError('InvalidBatchEntryId');
  }
  checkDistinct(entries);
}

/** Ten at most: looking at all pairs is cheaper than a set. */
function checkDistinct(entries: readonly Entry[]): void {
  for (let i = 1; i < entries.length; i++) {
    for (let j = 0; j < i; j++) {
      if (entries[i]!.Id !== entries[j]!.Id) continue;
      throw new SqsError('BatchEntryIdsNotDistinct', `Id ${entries[i]!.Id} repeated.`);
    }
  }
}

/** Throws SqsError BatchRequestTooLong. */
export function checkBatchSize(entries: readonly OutgoingMessage[]): void {
  let bytes = 0;
  for (const entry of entries) bytes += messageBytes(entry);
  if (bytes <= MESSAGE_BYTES_MAX) return;
  throw new SqsError(
    'BatchRequestTooLong',
    `Batch requests cannot be longer than ${MESSAGE_BYTES_MAX} bytes. ` +
      `You have sent ${bytes} bytes.`,
  );
}

/** A FIFO queue's ids are asked of all entries at once. Throws SqsError. */
export function checkFifoEntries(entries: readonly OutgoingMessage[], contentBased: boolean): void {
  for (const { MessageGroupId, MessageDeduplicationId } of entries) {
    if (!contentBased && MessageDeduplicationId === undefined) throw missingDeduplicationId();
    if (MessageGroupId !== undefined) continue;
    const { message } = missingParameter('MessageGroupId');
    throw new SqsError('InvalidParameterValueException', message);
  }
}

/** Of one entry; the others go on. What is no refusal is thrown on. */
export function failedEntry(id: string, error: unknown): FailedEntry {
  if (!(error instanceof SqsError) && !(error instanceof BrokerError)) throw error;
  return asSqsError(error).entry(id);
}

/** AWS leaves the list out when nothing has failed. */
export function someOf(failed: readonly FailedEntry[]): readonly FailedEntry[] | undefined {
  return failed.length > 0 ? failed : undefined;
}

export function missingDeduplicationId(): SqsError {
  return new SqsError(
    'InvalidParameterValueException',
    'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId ' +
      'provided explicitly',
  );
}
