/**
 * FindCoordinator (10): always this node.
 *
 * v1: key type, throttle   v3: flexible   v4: many keys (KIP-699)   v5: transaction errors
 * v6: share groups. Coordinators of transactions and share groups do not exist yet; they are
 * refused with errors that no client retries.
 */
import type { Call } from '../call.ts';
import { ErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';
import { NODE_ID } from '../node.ts';
import { GRANTED, type Refusal, refuse } from '../refusal.ts';
import type { Writer } from '#wire/writer.ts';

const GROUP = 0;
const TRANSACTION = 1;
const MANY_FROM_VERSION = 4;

interface FindCoordinatorRequest {
  keyType: number;
  keys: string[];
}

export const findCoordinator = defineHandler<FindCoordinatorRequest>({
  key: 10,
  name: 'FindCoordinator',
  min: 0,
  max: 6,
  flexibleFrom: 3,

  decode(reader, version) {
    const many = version >= MANY_FROM_VERSION;
    const one = many ? '' : reader.string();
    const keyType = version >= 1 ? reader.int8() : GROUP;
    const keys = many ? reader.array((r) => r.string()) : [one];
    reader.tags();
    return { keyType, keys };
  },

  handle({ keyType, keys }, call) {
    const { version } = call;
    const found = refusal(keyType);
    call.reply((writer) => {
      if (version >= 1) writer.int32(0);
      if (version >= MANY_FROM_VERSION) {
        writer.array(keys, (w, key) => {
          w.string(key);
          writeNode(w, call, found);
          w.int16(found.error).nullableString(found.text).tags();
        });
      } else {
        writer.int16(found.error);
        if (version >= 1) writer.nullableString(found.text);
        writeNode(writer, call, found);
      }
      writer.tags();
    });
  },
});

function refusal(keyType: number): Refusal {
  if (keyType === GROUP) return GRANTED;
  if (keyType === TRANSACTION) {
    return refuse(
      ErrorCode.TransactionalIdAuthorizationFailed,
      'Transactions are not supported by this broker.',
    );
  }
  return refuse(ErrorCode.InvalidRequest, `Coordinators of type ${keyType} are not supported.`);
}

function writeNode(writer: Writer, call: Call, { error }: Refusal): void {
  const { host, port } = call.node.endpoint(call.peer);
  if (error === ErrorCode.None) writer.int32(NODE_ID).string(host).int32(port);
  else writer.int32(-1).string('').int32(-1);
}
