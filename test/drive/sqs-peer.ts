/** An SQS client of bytes: requests of both protocols, and what comes back taken apart. */
import assert from 'node:assert/strict';
import type { Broker } from '#core/broker.ts';
import type { Peer, Protocol } from '#protocols/contract.ts';
import type { ActionName, Output } from '#protocols/sqs/actions.ts';
import { sqs } from '#protocols/sqs/index.ts';
import { connect, LOOPBACK, type DrivenConnection, type MemoryBroker } from './memory-broker.ts';

const HOST = 'localhost:9324';

export function sqsOf({ broker }: { broker: Broker }): Protocol {
  return sqs(broker, { host: '127.0.0.1', port: 9324 });
}

export interface Wrapping {
  path?: string;
  /** Whole lines. */
  fields?: readonly string[];
}

/** A POST of JSON 1.0. `input` that is no object goes as it is. */
export function jsonRequest(action: string, input: unknown = {}, wrapping: Wrapping = {}): Buffer {
  const body = Buffer.from(
    typeof input === 'string' || input instanceof Uint8Array ? input : JSON.stringify(input),
  );
  const head = [
    `POST ${wrapping.path ?? '/'} HTTP/1.1`,
    `Host: ${HOST}`,
    'Content-Type: application/x-amz-json-1.0',
    `X-Amz-Target: AmazonSQS.${action}`,
    `Content-Length: ${body.length}`,
    ...(wrapping.fields ?? []),
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]);
}

/** A POST of a form. */
export function formRequest(form: string, { path = '/', fields = [] }: Wrapping = {}): Buffer {
  const head = [
    `POST ${path} HTTP/1.1`,
    `Host: ${HOST}`,
    'Content-Type: application/x-www-form-urlencoded; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(form)}`,
    ...fields,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${form}`);
}

export function getRequest(target: string, ...fields: readonly string[]): Buffer {
  return Buffer.from(
    `${[`GET ${target} HTTP/1.1`, `Host: ${HOST}`, ...fields].join('\r\n')}\r\n\r\n`,
  );
}

export interface Answer {
  status: number;
  /** By name in small letters. */
  fields: ReadonlyMap<string, string>;
  body: string;
}

/** The answers in `bytes`, which are whole. */
export function answersIn(bytes: Buffer): Answer[] {
  const answers: Answer[] = [];
  for (let at = 0; at < bytes.length;) {
    const headEnd = bytes.indexOf('\r\n\r\n', at);
    assert.ok(headEnd > 0, 'the head of an answer is whole');
    const [first, ...lines] = bytes.toString('latin1', at, headEnd).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first!)?.[1]);
    const fields = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const length = status < 200 ? 0 : Number(fields.get('content-length'));
    const bodyStart = headEnd + 4;
    assert.ok(bodyStart + length <= bytes.length, 'the body of an answer is whole');
    answers.push({ status, fields, body: bytes.toString('utf8', bodyStart, bodyStart + length) });
    at = bodyStart + length;
  }
  return answers;
}

export class SqsPeer {
  readonly memory: MemoryBroker;
  readonly driven: DrivenConnection;

  constructor(memory: MemoryBroker, protocol = sqsOf(memory), peer: Peer = LOOPBACK) {
    this.memory = memory;
    this.driven = connect(protocol, peer);
  }

  get ended(): boolean {
    return this.driven.sink.ended;
  }

  send(bytes: Uint8Array): void {
    this.driven.connection.receive(new Uint8Array(bytes));
  }

  /** What has been answered since the last time. */
  answers(): Answer[] {
    return answersIn(this.driven.sink.take());
  }

  /** One request, one answer. */
  async ask(bytes: Uint8Array): Promise<Answer> {
    this.send(bytes);
    await this.memory.settle();
    const answers = this.answers();
    assert.equal(answers.length, 1);
    return answers[0]!;
  }

  /** The output of an action that works; bytes are base64 in it. */
  async json<A extends ActionName>(action: A, input: unknown = {}): Promise<Output<A>> {
    const { status, body } = await this.ask(jsonRequest(action, input));
    assert.equal(status, 200, body);
    return JSON.parse(body) as Output<A>;
  }
}
