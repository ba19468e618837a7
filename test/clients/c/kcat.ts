/** kcat (librdkafka) from the shell: -L, -P, -C, -Q and a balanced group. */
import assert from 'node:assert/strict';
import { run } from '../../../scripts/peers/index.ts';
import { type Scenario, type Suite, scenarioSuite } from '../suite.ts';
import type { Target } from '../targets.ts';

interface Kcat {
  command: string;
  env: Record<string, string>;
}

let count = 0;
const unique = (name: string): string => `kcat-${name}-${Date.now().toString(36)}${(count += 1)}`;

export function kcatSuite(kcat: Kcat): Suite {
  return scenarioSuite('kcat', (target) => scenarios(kcat, target));
}

function scenarios(kcat: Kcat, target: Target): Scenario[] {
  const broker = `localhost:${target.env.KAFKA_PORT}`;
  const call = async (args: readonly string[], input = ''): Promise<string> => {
    const options = { env: kcat.env, input, timeoutMs: 30_000 };
    const { stdout } = await run(kcat.command, ['-q', '-b', broker, ...args], options);
    return stdout;
  };
  const produce = (topic: string, lines: readonly string[], ...args: string[]): Promise<string> =>
    call(['-P', '-t', topic, ...args], `${lines.join('\n')}\n`);
  const consume = (topic: string, ...args: string[]): Promise<string> =>
    call(['-C', '-t', topic, '-e', ...args]);

  return [
    [
      'produce and consume lines',
      async () => {
        const topic = unique('lines');
        const lines = Array.from({ length: 1000 }, (_, n) => `line ${n}`);
        await produce(topic, lines);
        assert.equal(await consume(topic, '-o', 'beginning'), `${lines.join('\n')}\n`);
        assert.equal(await consume(topic, '-o', '990', '-c', '2'), 'line 990\nline 991\n');
        assert.equal(await consume(topic, '-o', '-3'), 'line 997\nline 998\nline 999\n');
      },
    ],
    [
      'list metadata as JSON',
      async () => {
        const topic = unique('listed');
        await produce(topic, ['x']);
        const listing = JSON.parse(await call(['-L', '-J', '-t', topic])) as {
          brokers: { id: number; name: string }[];
          topics: { topic: string; partitions: { leader: number; isrs: { id: number }[] }[] }[];
        };
        assert.equal(listing.brokers.length, 1);
        assert.match(listing.brokers[0]!.name, new RegExp(`:${target.env.KAFKA_PORT}$`));
        const [only] = listing.topics;
        assert.equal(only!.topic, topic);
        assert.equal(only!.partitions.length, 1);
        assert.equal(only!.partitions[0]!.leader, listing.brokers[0]!.id);
        assert.deepEqual(only!.partitions[0]!.isrs, [{ id: listing.brokers[0]!.id }]);
      },
    ],
    [
      'keys, headers, tombstones, format',
      async () => {
        const topic = unique('formatted');
        await produce(topic, ['a:1', 'b:2'], '-K', ':', '-H', 'one=1', '-H', 'two=2');
        await produce(topic, ['c:'], '-K', ':', '-Z');
        const text = await consume(topic, '-f', '%k|%s|%h|%p|%o|%S\\n');
        assert.equal(text, 'a|1|one=1,two=2|0|0|1\nb|2|one=1,two=2|0|1|1\nc|||0|2|-1\n');
      },
    ],
    ...['gzip', 'snappy', 'lz4', 'zstd'].map((codec): Scenario => [
      `codec ${codec}`,
      async () => {
        const topic = unique(codec);
        const lines = Array.from({ length: 500 }, (_, n) => `${codec} ${n} `.repeat(20).trim());
        await produce(topic, lines, '-z', codec);
        assert.equal(await consume(topic, '-X', 'check.crcs=true'), `${lines.join('\n')}\n`);
      },
    ]),
    [
      'offsets by timestamp',
      async () => {
        const topic = unique('query');
        await produce(topic, ['early']);
        const middle = Date.now() + 1;
        while (Date.now() <= middle + 20) await new Promise((resolve) => setTimeout(resolve, 5));
        await produce(topic, ['late']);
        const offset = async (at: number): Promise<string> =>
          (await call(['-Q', '-t', `${topic}:0:${at}`])).trim();
        assert.equal(await offset(middle), `${topic} [0] offset 1`);
        assert.equal(await offset(-2), `${topic} [0] offset 0`);
        assert.equal(await offset(-1), `${topic} [0] offset 2`);
        assert.equal(await consume(topic, '-o', `s@${middle}`), 'late\n');
      },
    ],
    [
      'balanced consumer group resumes',
      async () => {
        const topic = unique('balanced');
        const group = unique('group');
        await produce(topic, ['1', '2', '3']);
        const member = ['-G', group, '-X', 'auto.offset.reset=earliest', '-e', topic];
        assert.equal(await call(member), '1\n2\n3\n');
        await produce(topic, ['4']);
        assert.equal(await call(member), '4\n');
      },
    ],
    [
      'unknown partition is an error',
      async () => {
        const topic = unique('partition');
        await produce(topic, ['x']);
        await assert.rejects(consume(topic, '-p', '9'), /[Uu]nknown partition|does not exist/);
      },
    ],
  ];
}
