/** basic.reject, basic.nack, basic.recover: what is not acknowledged is requeued or dies. */
import type { Channel } from '../channel.ts';
import { Method, type MethodReader } from '../codec.ts';
import { notImplemented } from '../errors.ts';
import type { LeaseHolder } from '../leases.ts';

const reject = (holder: LeaseHolder, offset: number): void => holder.reject(offset);

function settle(channel: Channel, tag: number, multiple: boolean, requeue: boolean): void {
  if (requeue) channel.requeue(tag, multiple);
  else channel.settle(tag, multiple, reject);
}

export function basicReject(channel: Channel, reader: MethodReader): void {
  const tag = reader.longlong();
  settle(channel, tag, false, reader.bit());
}

export function basicNack(channel: Channel, reader: MethodReader): void {
  const tag = reader.longlong();
  const multiple = reader.bit();
  settle(channel, tag, multiple, reader.bit());
}

export function basicRecoverAsync(channel: Channel, reader: MethodReader): void {
  if (!reader.bit()) throw notImplemented('requeue=false');
  channel.requeue(0, true);
}

export function basicRecover(channel: Channel, reader: MethodReader): void {
  basicRecoverAsync(channel, reader);
  channel.connection.writer.begin(channel.number, Method.BasicRecoverOk).end();
  channel.connection.sendSoon();
}
