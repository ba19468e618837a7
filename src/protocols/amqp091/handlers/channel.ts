/** channel.flow and the methods that need no more than an answer. */
import type { Channel } from '../channel.ts';
import { Method, type MethodReader } from '../codec.ts';
import { notImplemented } from '../errors.ts';

/** Deliveries are not stopped by flow: prefetch is what RabbitMQ has for it. */
export function channelFlow(channel: Channel, reader: MethodReader): void {
  if (!reader.bit()) throw notImplemented('active=false');
  channel.connection.writer.begin(channel.number, Method.ChannelFlowOk).bit(true).end();
  channel.connection.sendSoon();
}

/** We never send flow, but an answer to it does no harm. */
export function channelFlowOk(): void {}

/** The channel is open, so it answers a close that was overtaken by the client's own. */
export function channelCloseOk(): void {}

/** 0-9 clients ask for a ticket; any will do. */
export function accessRequest(channel: Channel): void {
  channel.connection.writer.begin(channel.number, Method.AccessRequestOk).short(1).end();
  channel.connection.sendSoon();
}
