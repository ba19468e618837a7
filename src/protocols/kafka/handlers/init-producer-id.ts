/**
 * InitProducerId (22), for idempotent producers.
 *
 * v2: flexible   v3: the producer's id and epoch so far (KIP-360)   v4, v5: transaction errors
 *
 * A producer without a transactional id always gets a new id, as Kafka does. One with a
 * transactional id is refused with an error that no client retries: there are no transactions yet.
 */
import { ErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';

interface InitProducerIdRequest {
  transactionalId: string | null;
}

export const initProducerId = defineHandler<InitProducerIdRequest>({
  key: 22,
  name: 'InitProducerId',
  min: 0,
  max: 5,
  flexibleFrom: 2,

  decode(reader, version) {
    const transactionalId = reader.nullableString();
    reader.int32();
    if (version >= 3) {
      reader.int64();
      reader.int16();
    }
    reader.tags();
    return { transactionalId };
  },

  handle({ transactionalId }, call) {
    if (transactionalId !== null) {
      call.reply((writer) => {
        writer.int32(0).int16(ErrorCode.TransactionalIdAuthorizationFailed);
        writer.int64(-1).int16(-1).tags();
      });
      return;
    }
    const producerId = call.node.broker.nextProducerId();
    call.replyCommitted((writer) => {
      writer.int32(0).int16(ErrorCode.None).int64(producerId).int16(0).tags();
    });
  },
});
