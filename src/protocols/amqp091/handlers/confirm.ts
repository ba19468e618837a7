/** confirm.select: from now on every publish of the channel is numbered and confirmed. */
import type { Channel } from '../channel.ts';
import { Method, type MethodReader } from '../codec.ts';

export function confirmSelect(channel: Channel, reader: MethodReader): void {
  const nowait = reader.bit();
  channel.selectConfirms();
  if (nowait) return;
  channel.connection.writer.begin(channel.number, Method.ConfirmSelectOk).end();
  channel.connection.sendSoon();
}
