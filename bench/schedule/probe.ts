/**
 * A process that asks the broker one thing after the other (NATS PING) and measures how long each
 * answer takes: what everybody else's client feels while the schedule has much to do. Its parent
 * sends 'end' and gets all the times in ms.
 */
import { connect } from 'node:net';

const EVERY_MS = 1;

const rttMs: number[] = [];
const socket = connect({ host: '127.0.0.1', port: Number(process.argv[2]) });
socket.setNoDelay(true);
let askedAt = 0;

function ask(): void {
  askedAt = performance.now();
  socket.write('PING\r\n');
}

socket.on('data', (bytes: Buffer) => {
  if (askedAt === 0) {
    socket.write('CONNECT {"verbose":false}\r\n');
    ask();
  } else if (bytes.includes('PONG')) {
    rttMs.push(performance.now() - askedAt);
    setTimeout(ask, EVERY_MS);
  }
});

process.on('message', () => {
  socket.destroy();
  process.send?.(rttMs, undefined, undefined, () => process.disconnect?.());
});
