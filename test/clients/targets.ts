/**
 * The brokers the programs run against: Posthorn, started by the project's own start command on
 * free ports with temporary data, and beside it the real Kafka, RabbitMQ, nats-server and ElasticMQ,
 * as far as the chosen programs need them.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  freePorts,
  type Peer,
  startElasticmq,
  startKafka,
  startNats,
  startRabbitmq,
} from '../../scripts/peers/index.ts';
import { startControl } from './control.ts';
import { expectations } from './differences.ts';
import {
  type Encryption,
  makeCertificate,
  natsTls,
  natsToken,
  natsUsers,
  posthornConfig,
} from './guarded.ts';
import { type Posthorn, startPosthorn } from './posthorn.ts';

export type Protocol = 'kafka' | 'amqp' | 'nats' | 'sqs';

export interface Target {
  name: 'posthorn' | 'peer';
  env: Record<string, string>;
  /** Folder whose partitions are Kafka log segments. */
  kafkaData: string;
  /** Ends the brokers of Kafka and AMQP, in order or by `kill -9`. */
  halt(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts them again on the same data and the same ports. */
  resume(): Promise<void>;
  /** Ends everything and removes the data. */
  stop(): Promise<void>;
}

export async function posthornTarget(needs: ReadonlySet<Protocol>): Promise<Target> {
  const data = mkdtempSync(join(tmpdir(), 'clients-posthorn-'));
  let posthorn = await startPosthorn(data);
  const { ports } = posthorn;
  console.log(`posthorn ready in ${posthorn.readyMs} ms, log ${posthorn.logFile}`);
  const resume = async (): Promise<void> => {
    posthorn = await startPosthorn(data, ports);
  };
  const control = await startControl({
    restart: async () => {
      await posthorn.end('SIGTERM');
      await resume();
    },
  });
  const guarded = needs.has('nats') || needs.has('sqs') ? await startGuarded() : undefined;
  return {
    name: 'posthorn',
    env: {
      TARGET: 'posthorn',
      KAFKA_PORT: String(ports.kafka),
      AMQP_PORT: String(ports.amqp),
      NATS_PORT: String(ports.nats),
      NATS_HTTP_PORT: String(ports['nats-http']),
      NATS_WS_PORT: String(ports['nats-http']),
      SQS_PORT: String(ports.sqs),
      CONTROL: control.url,
      ...guarded?.env,
      ...expectations('posthorn'),
    },
    kafkaData: join(data, 'store'),
    halt: (signal) => posthorn.end(signal),
    resume,
    stop: async () => {
      control.stop();
      await posthorn.end('SIGTERM');
      await guarded?.stop();
      rmSync(data, { recursive: true, force: true });
    },
  };
}

interface Side {
  env: Record<string, string>;
  stop(): Promise<void>;
}

/** More Posthorns, which have users, small limits, and TLS or not. */
async function startGuarded(): Promise<Side> {
  const data = mkdtempSync(join(tmpdir(), 'clients-guarded-'));
  const certificate = await makeCertificate(join(data, 'tls'));
  const start = (encryption: Encryption): Promise<Posthorn> => {
    const folder = join(data, encryption);
    mkdirSync(folder);
    const config = posthornConfig(folder, certificate, encryption);
    return startPosthorn(folder, null, ['--config', config]);
  };
  const all = await Promise.all([start('none'), start('either'), start('required')]);
  const [plain, either, required] = all;
  return {
    env: {
      NATS_AUTH_PORT: String(plain.ports.nats),
      NATS_TOKEN_PORT: String(plain.ports.nats),
      NATS_EITHER_PORT: String(either.ports.nats),
      NATS_TLS_PORT: String(required.ports.nats),
      SQS_SIGNED_PORT: String(plain.ports.sqs),
      CA_FILE: certificate.ca,
    },
    stop: async () => {
      await Promise.all(all.map((each) => each.end('SIGTERM')));
      rmSync(data, { recursive: true, force: true });
    },
  };
}

export async function peerTarget(needs: ReadonlySet<Protocol>): Promise<Target> {
  const all = {
    kafka: startKafkaSide,
    amqp: startAmqpSide,
    nats: startNatsSide,
    sqs: startSqsSide,
  };
  const sides = await Promise.all(
    (Object.keys(all) as Protocol[]).filter((name) => needs.has(name)).map((name) => all[name]()),
  );
  const stored = sides.filter((side): side is StoredSide => 'halt' in side);
  return {
    name: 'peer',
    env: Object.assign(
      { TARGET: 'peer', ...expectations('peer') },
      ...sides.map((side) => side.env),
    ) as Record<string, string>,
    kafkaData: stored.map((side) => side.kafkaData ?? '').join(''),
    halt: async (signal) => {
      await Promise.all(stored.map((side) => side.halt(signal)));
    },
    resume: async () => {
      await Promise.all(stored.map((side) => side.resume()));
    },
    stop: async () => {
      await Promise.all(sides.map((side) => side.stop()));
    },
  };
}

/** A peer that keeps its messages over a restart. */
interface StoredSide extends Side {
  kafkaData?: string;
  halt(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  resume(): Promise<void>;
}

function told(peer: Peer): Peer {
  console.log(`${peer.name} ${peer.version} ready, log ${peer.logFile}`);
  return peer;
}

async function storedSide(
  start: (options: { dataDir?: string; port?: number }) => Promise<Peer>,
  portName: string,
): Promise<StoredSide & { dataDir: string }> {
  let peer = told(await start({}));
  const { port, dataDir } = peer;
  return {
    env: { [portName]: String(port) },
    dataDir,
    halt: (signal) => (signal === 'SIGKILL' ? peer.kill() : peer.stop()),
    resume: async () => {
      peer = await start({ dataDir, port });
    },
    stop: async () => {
      await peer.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

const startAmqpSide = (): Promise<StoredSide> => storedSide(startRabbitmq, 'AMQP_PORT');

async function startKafkaSide(): Promise<StoredSide> {
  const side = await storedSide(startKafka, 'KAFKA_PORT');
  return { ...side, kafkaData: join(side.dataDir, 'data') };
}

async function startSqsSide(): Promise<Side> {
  const peer = told(await startElasticmq());
  return {
    env: { SQS_PORT: String(peer.port) },
    stop: async () => {
      await peer.stop();
      rmSync(peer.dataDir, { recursive: true, force: true });
    },
  };
}

/** The open server, which can be restarted, and one each with users, with a token, and with TLS. */
async function startNatsSide(): Promise<Side> {
  const data = mkdtempSync(join(tmpdir(), 'clients-nats-'));
  const certificate = await makeCertificate(join(data, 'tls'));
  const [port, monitoringPort, websocketPort] = (await freePorts(3)) as [number, number, number];
  const open = { dataDir: join(data, 'open'), port, monitoringPort, websocketPort };
  let openPeer = told(await startNats(open));
  const guarded = { users: natsUsers(), token: natsToken() };
  const secured = { either: natsTls(certificate, false), tls: natsTls(certificate, true) };
  const peers = await Promise.all(
    Object.entries({ ...guarded, ...secured }).map(([name, config]) =>
      startNats({ dataDir: join(data, name), config }),
    ),
  );
  const [users, token, either, tls] = peers as unknown as [Peer, Peer, Peer, Peer];
  const control = await startControl({
    restart: async () => {
      await openPeer.stop();
      openPeer = await startNats(open);
    },
  });
  return {
    env: {
      NATS_PORT: String(port),
      NATS_HTTP_PORT: String(monitoringPort),
      NATS_WS_PORT: String(websocketPort),
      NATS_AUTH_PORT: String(users.port),
      NATS_TOKEN_PORT: String(token.port),
      NATS_EITHER_PORT: String(either.port),
      NATS_TLS_PORT: String(tls.port),
      CA_FILE: certificate.ca,
      CONTROL: control.url,
    },
    stop: async () => {
      control.stop();
      await Promise.all([openPeer, ...peers].map((peer) => peer.stop()));
      rmSync(data, { recursive: true, force: true });
    },
  };
}
