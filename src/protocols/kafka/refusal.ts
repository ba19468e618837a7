/**
 * A refusal of the core in the words of an administrative request: a code and a text, where the
 * code depends on what was asked for and not only on what the core said.
 */
import { brokerErrorCode, ErrorCode } from './errors.ts';
import type { BrokerError } from '#core/errors.ts';

export interface Refusal {
  readonly error: ErrorCode;
  readonly text: string | null;
}

export const GRANTED: Refusal = { error: ErrorCode.None, text: null };

export function refuse(error: ErrorCode, text: string): Refusal {
  return { error, text };
}

export function refusalOf(error: BrokerError): Refusal {
  const { code, detail, message } = error;
  if (code === 'invalid-argument' && 'config' in detail) {
    return refuse(ErrorCode.InvalidConfig, message);
  }
  if (code === 'invalid-argument' && 'partitions' in detail) {
    return refuse(ErrorCode.InvalidPartitions, message);
  }
  if (code === 'already-exists' && detail['kind'] === 'queue') {
    return refuse(ErrorCode.InvalidTopic, `${message}, and cannot be a topic at the same time`);
  }
  return refuse(brokerErrorCode(code), message);
}
