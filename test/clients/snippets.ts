/**
 * The few lines people already have, run as they are: a consumer that runs for ever and a producer
 * that sends and ends, as two programs. Only the port comes from the environment.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../scripts/peers/index.ts';
import { type Suite, scenarioSuite } from './suite.ts';
import type { Target } from './targets.ts';

interface Snippet {
  client: string;
  name: string;
  producer: string;
  consumer: string;
  /** Lines the consumer prints before the producer may start; none means the producer goes first. */
  waits?: string;
  /** Every line the consumer must have printed, in any order. */
  prints: readonly string[];
}

const tenMessages = Array.from({ length: 10 }, (_, n) => `my-topic 0 ${n} message ${n}`);

const snippets: readonly Snippet[] = [
  {
    client: 'kafka-python',
    name: 'snippet: produce to my-topic and read it',
    producer: 'kafka_producer.py',
    consumer: 'kafka_consumer.py',
    prints: tenMessages,
  },
  {
    client: 'pika',
    name: 'snippet: hello world over my-queue',
    producer: 'pika_send.py',
    consumer: 'pika_receive.py',
    prints: [' [x] Received Hello World!'],
  },
  {
    client: 'pika',
    name: 'snippet: work queue with prefetch 1 and acks',
    producer: 'pika_new_task.py',
    consumer: 'pika_worker.py',
    prints: [0, 1, 2, 3, 4].map((n) => ` [x] Done task ${n}`),
  },
  {
    client: 'aiormq',
    name: 'snippet: direct exchange',
    producer: 'aiormq_publisher.py',
    consumer: 'aiormq_consumer.py',
    waits: ' [*] Waiting',
    prints: [' [x] info Hello info', ' [x] error Hello error'],
  },
];

export function snippetSuites(python: string): Suite[] {
  return snippets.map((snippet) =>
    scenarioSuite(snippet.client, (target) => [
      [snippet.name, () => runSnippet(python, snippet, target)],
    ]),
  );
}

async function runSnippet(python: string, snippet: Snippet, target: Target): Promise<void> {
  const folder = join(import.meta.dirname, 'python', 'snippets');
  const produce = (): Promise<unknown> =>
    run(python, [join(folder, snippet.producer)], { env: target.env, timeoutMs: 30_000 });
  if (snippet.waits === undefined) await produce();
  const consumer = spawn(python, [join(folder, snippet.consumer)], {
    env: { ...process.env, ...target.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = new Output(consumer);
  try {
    if (snippet.waits !== undefined) {
      await output.has([snippet.waits]);
      await produce();
    }
    await output.has(snippet.prints);
  } finally {
    consumer.kill('SIGKILL');
  }
}

/** What a running program has printed so far. */
class Output {
  #text = '';
  #ended = false;

  constructor(child: ChildProcess) {
    child.stderr!.on('data', (chunk: Buffer) => (this.#text += chunk.toString()));
    child.stdout!.on('data', (chunk: Buffer) => (this.#text += chunk.toString()));
    child.on('exit', () => (this.#ended = true));
  }

  async has(lines: readonly string[]): Promise<void> {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const seen = this.#text.split('\n');
      if (lines.every((line) => seen.includes(line))) return;
      if (this.#ended) throw new Error(`the consumer ended; it printed:\n${this.#text}`);
      if (Date.now() > deadline) {
        throw new Error(`not within 30 s: ${lines.join(' | ')}; it printed:\n${this.#text}`);
      }
      await sleep(20);
    }
  }
}
