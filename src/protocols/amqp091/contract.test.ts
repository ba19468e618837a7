import { protocolContract } from '#test/contracts/protocol-contract.ts';
import {
  method,
  openVhost,
  PROTOCOL_HEADER,
  publish,
  shortstr,
  startOk,
  table,
  tuneOk,
  u16,
  u32,
  u64,
  u8,
} from '#test/drive/amqp-peer.ts';
import { amqp091 } from './index.ts';

const declare = (name: string, bits: number): Buffer =>
  method(1, 50, 10, u16(0), shortstr(name), u8(bits), table());

const opening = [
  PROTOCOL_HEADER,
  startOk(),
  Buffer.concat([tuneOk(), openVhost('/'), method(1, 20, 10, shortstr(''))]),
];

protocolContract('amqp', {
  create: amqp091,
  session: [
    ...opening,
    Buffer.concat([declare('q', 2), declare('mine', 4), method(1, 85, 10, u8(0))]),
    method(1, 60, 20, u16(0), shortstr('q'), shortstr('c'), u8(0), table()),
    publish(1, 'q', 'one'),
    publish(1, 'q', Buffer.alloc(10_000, 'abc'), { frameBytesMax: 4096 }),
    publish(1, 'nobody', 'returned', { mandatory: true }),
    method(1, 60, 80, u64(1), u8(0)),
    method(1, 60, 70, u16(0), shortstr('mine'), u8(0)),
    // A channel's error leaves the connection open; the channel is opened again.
    method(1, 60, 80, u64(99), u8(0)),
    Buffer.concat([method(1, 20, 41), method(1, 20, 10, shortstr(''))]),
    method(1, 60, 20, u16(0), shortstr('q'), shortstr('d'), u8(0), table()),
  ],
  garbage: [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.concat([PROTOCOL_HEADER, Buffer.alloc(64, 0x41)]),
    Buffer.concat([PROTOCOL_HEADER, method(0, 10, 11, u32(1_000_000))]),
    Buffer.concat([...opening, Buffer.alloc(64, 0xee)]),
    Buffer.concat([...opening, method(1, 50, 10, u16(0), u8(200))]),
  ],
  held: ({ defaultNamespace: { queues } }) => {
    let held = 0;
    for (const queue of queues.values()) {
      held += queue.unackedCount + queue.consumerCount + (queue.options.exclusiveTo ? 1 : 0);
    }
    return held;
  },
});
