/**
 * Every method a client may send on an open channel, by its number. basic.publish, basic.ack,
 * channel.open and channel.close are the channel's own.
 */
import type { Channel } from '../channel.ts';
import { Method, type MethodReader } from '../codec.ts';
import { accessRequest, channelCloseOk, channelFlow, channelFlowOk } from './channel.ts';
import { basicCancel, basicCancelOk, basicConsume } from './basic-consume.ts';
import { basicGet } from './basic-get.ts';
import { basicQos } from './basic-qos.ts';
import { basicNack, basicRecover, basicRecoverAsync, basicReject } from './basic-settle.ts';
import { confirmSelect } from './confirm.ts';
import { exchangeBind, exchangeDeclare, exchangeDelete, exchangeUnbind } from './exchange.ts';
import { queueBind, queueUnbind } from './queue-bind.ts';
import { queueDeclare } from './queue-declare.ts';
import { queueDelete, queuePurge } from './queue-delete.ts';
import { txCommit, txRollback, txSelect } from './tx.ts';

export type Handler = (channel: Channel, reader: MethodReader) => void;

const HANDLERS = new Map<number, Handler>([
  [Method.ChannelFlow, channelFlow],
  [Method.ChannelFlowOk, channelFlowOk],
  [Method.ChannelCloseOk, channelCloseOk],
  [Method.AccessRequest, accessRequest],
  [Method.ExchangeDeclare, exchangeDeclare],
  [Method.ExchangeDelete, exchangeDelete],
  [Method.ExchangeBind, exchangeBind],
  [Method.ExchangeUnbind, exchangeUnbind],
  [Method.QueueDeclare, queueDeclare],
  [Method.QueueBind, queueBind],
  [Method.QueueUnbind, queueUnbind],
  [Method.QueuePurge, queuePurge],
  [Method.QueueDelete, queueDelete],
  [Method.BasicQos, basicQos],
  [Method.BasicConsume, basicConsume],
  [Method.BasicCancel, basicCancel],
  [Method.BasicCancelOk, basicCancelOk],
  [Method.BasicGet, basicGet],
  [Method.BasicReject, basicReject],
  [Method.BasicNack, basicNack],
  [Method.BasicRecover, basicRecover],
  [Method.BasicRecoverAsync, basicRecoverAsync],
  [Method.ConfirmSelect, confirmSelect],
  [Method.TxSelect, txSelect],
  [Method.TxCommit, txCommit],
  [Method.TxRollback, txRollback],
]);

export function handlerOf(method: number): Handler | undefined {
  return HANDLERS.get(method);
}
