import { protocolContract } from '#test/contracts/protocol-contract.ts';
import { nats } from './index.ts';

const lines = (...parts: string[]): Buffer => Buffer.from(parts.map((it) => `${it}\r\n`).join(''));
const CONNECT = 'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}';
const HEADERS = 'NATS/1.0\r\na: b\r\n\r\n';

protocolContract('nats', {
  create: (broker) => nats(broker, { host: '127.0.0.1', port: 4222 }),
  session: [
    lines(CONNECT, 'PING'),
    lines('SUB a.* 1', 'SUB b.> workers 2', 'sub\ta.b\t3', 'UNSUB 3 2', 'PING'),
    lines('PUB a.b 5', 'hello', 'PUB a.b answers 0', '', 'PUB  a.b   3  ', 'abc'),
    lines(`HPUB b.c ${HEADERS.length} ${HEADERS.length + 3}`, `${HEADERS}xyz`),
    lines(`HPUB b.c answers ${HEADERS.length} ${HEADERS.length}`, HEADERS),
    lines('PUB b.large 9000', 'abc'.repeat(3000)),
    lines('SUB _INBOX.* 4', 'PUB nobody _INBOX.1 2', 'hi', 'PING', 'PONG', '+OK'),
    lines('CONNECT {"verbose":true,"pedantic":true}', 'PUB a.* 1', 'x', 'PING', 'UNSUB 1'),
  ],
  garbage: [
    lines('GET / HTTP/1.1', ''),
    lines(CONNECT, 'PUB a'),
    lines(CONNECT, 'PUB a 1', 'too long'),
    lines(CONNECT, 'PUB a 99999999'),
    lines(CONNECT, 'SUB'),
    lines(CONNECT, `SUB ${'a'.repeat(5000)} 1`),
    lines('CONNECT {"verbose":"yes"}'),
    lines('CONNECT nonsense'),
    Buffer.from('PUB a 5\r\nhello12'),
    Buffer.from('PU1'),
    Buffer.alloc(8192, 0x41),
  ],
  held: ({ defaultNamespace }) => defaultNamespace.exchange('amq.topic').liveCount,
});
