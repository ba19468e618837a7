/**
 * Runs one real peer by hand until Ctrl-C: `node scripts/peers/main.ts <name> [port]`, where the
 * name is kafka, rabbitmq, nats or elasticmq. Useful as an oracle: point any client at the port it prints.
 */
import { rmSync } from 'node:fs';
import { startElasticmq } from './elasticmq.ts';
import { startKafka } from './kafka.ts';
import { startNats } from './nats.ts';
import type { Peer } from './peer-process.ts';
import { startRabbitmq } from './rabbitmq.ts';

const starts: Record<string, (port: number | undefined) => Promise<Peer>> = {
  kafka: (port) => startKafka({ port }),
  rabbitmq: (port) => startRabbitmq({ port }),
  nats: (port) => startNats({ port }),
  elasticmq: (port) => startElasticmq({ port }),
};

const [name = '', port] = process.argv.slice(2);
const start = starts[name];
if (start === undefined) {
  console.error(`usage: node scripts/peers/main.ts ${Object.keys(starts).join('|')} [port]`);
  process.exit(2);
}
const peer = await start(port === undefined ? undefined : Number(port));
console.log(`${peer.name} ${peer.version} ready on localhost:${peer.port} (pid ${peer.pid})`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    void peer.stop().then(() => {
      rmSync(peer.dataDir, { recursive: true, force: true });
      process.exit(0);
    });
  });
}
setInterval(() => undefined, 1 << 30);
