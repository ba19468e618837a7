/**
 * SQS's handlers over a broker in memory, called as the dispatcher calls them, without HTTP: what
 * unit tests of actions run on. An answer that promises something comes after its commit.
 */
import type { Identity, Permission } from '#core/authenticator.ts';
import type { Broker } from '#core/broker.ts';
import { BrokerError } from '#core/errors.ts';
import type { Call, Handlers, Site } from '#protocols/sqs/action.ts';
import {
  ACTIONS,
  type ActionName,
  type Input,
  type Output,
  type ReceivedMessage,
} from '#protocols/sqs/actions.ts';
import { asSqsError, SqsError } from '#protocols/sqs/errors.ts';
import { createHandlers } from '#protocols/sqs/handlers/index.ts';
import { readSqs } from '#protocols/sqs/index.ts';
import { SqsNode } from '#protocols/sqs/node.ts';
import { queueUrl } from '#protocols/sqs/queue-url.ts';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import type { BrokerRig } from '#test/rigs/broker-rig.ts';

export const SITE: Site = {
  account: '000000000000',
  region: 'us-east-1',
  baseUrl: 'http://localhost:9324',
};

const EVERYBODY: Identity = {
  name: 'guest',
  tags: ['administrator'],
  mayEnter: () => true,
  may: () => true,
  subjects: null,
};

/** The input without what names the queue. */
type Asked<A extends ActionName> = Omit<Input<A>, 'QueueUrl' | 'QueueName'>;

/** A call that has not been answered yet. */
export class PendingCall<A extends ActionName> {
  readonly action: A;
  readonly #done = Promise.withResolvers<Output<A>>();
  isAnswered = false;
  call: Call<A> | null = null;

  constructor(action: A) {
    this.action = action;
    // A test may never look at a call that it expects to wait.
    this.#done.promise.catch(() => {});
  }

  get answer(): Promise<Output<A>> {
    return this.#done.promise;
  }

  answered(output: Output<A>): void {
    this.isAnswered = true;
    this.#done.resolve(output);
  }

  refused(error: SqsError | BrokerError): void {
    this.isAnswered = true;
    this.#done.reject(asSqsError(error));
  }
}

/** What the handlers run on: a broker whose time and deferred work a test moves. */
interface Machine {
  readonly broker: Broker;
  readonly nowMs: number;
  readonly warnings: readonly { message: string }[];
  settle(): Promise<void>;
  advance(ms: number): Promise<void>;
}

export class SqsRig {
  readonly memory: Machine;
  readonly node: SqsNode;
  readonly #handlers: Handlers;

  private constructor(machine: Machine) {
    const { broker } = machine;
    this.memory = machine;
    readSqs(broker.envelopes);
    this.node = new SqsNode(broker, broker.defaultNamespace);
    this.#handlers = createHandlers(this.node);
  }

  static async open(): Promise<SqsRig> {
    return new SqsRig(await MemoryBroker.open());
  }

  /** Over a broker that can be restarted; after that, over it again. */
  static over({ broker, ports }: BrokerRig): SqsRig {
    const settle = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
      await broker.committed();
    };
    const advance = async (ms: number): Promise<void> => {
      ports.nowMs += ms;
      broker.tick(ports.nowMs);
      await settle();
    };
    return new SqsRig({ broker, nowMs: ports.nowMs, warnings: [], settle, advance });
  }

  /** Returns before deferred work is done: a long poll waits. */
  begin<A extends ActionName>(
    action: A,
    queue: string,
    input: Asked<A>,
    identity: Identity = EVERYBODY,
  ): PendingCall<A> {
    const pending = new PendingCall(action);
    const { commits, permission: usual } = ACTIONS[action];
    const answer = (output: Output<A>): void => {
      if (!commits) pending.answered(output);
      else this.memory.broker.commit.wait({ committed: () => pending.answered(output) });
    };
    const call: Call<A> = {
      node: this.node,
      action,
      identity,
      site: SITE,
      traceHeader: null,
      queueName: queue,
      owner: pending,
      waiting: null,
      permit: (name: string, permission: Permission = usual) => {
        const question = { identity, action, queueName: name, site: SITE };
        const decided = this.node.policy?.(question) ?? null;
        if (decided ?? identity.may(permission, '/', name)) return;
        throw new SqsError('AccessDeniedException');
      },
      answer,
      refuse: (error) => pending.refused(error),
    };
    pending.call = call;
    const whole = { QueueUrl: queueUrl(SITE, queue), QueueName: queue, ...input };
    try {
      if (queue !== '') call.permit(queue);
      const handler = this.#handlers[action] as (call: Call<A>, input: unknown) => Output<A> | null;
      const output = handler(call, whole);
      if (output !== null) answer(output);
    } catch (error) {
      if (!(error instanceof SqsError) && !(error instanceof BrokerError)) throw error;
      pending.refused(error);
    }
    return pending;
  }

  /** Rejects with SqsError. */
  async run<A extends ActionName>(
    action: A,
    queue: string,
    input: Asked<A>,
    identity: Identity = EVERYBODY,
  ): Promise<Output<A>> {
    const pending = this.begin(action, queue, input, identity);
    await this.memory.settle();
    return pending.answer;
  }

  async create(name: string, attributes: Record<string, string> = {}): Promise<string> {
    const { QueueUrl } = await this.run('CreateQueue', name, { Attributes: attributes });
    return QueueUrl;
  }

  async send(queue: string, body: string, more: Partial<Input<'SendMessage'>> = {}) {
    return this.run('SendMessage', queue, { MessageBody: body, ...more });
  }

  /** The messages; all that can be had by default. */
  async receive(queue: string, more: Partial<Input<'ReceiveMessage'>> = {}) {
    const { Messages = [] } = await this.run('ReceiveMessage', queue, {
      MaxNumberOfMessages: 10,
      ...more,
    });
    return Messages;
  }
}

/** With the queue `q`. */
export async function openWithQueue(attributes: Record<string, string> = {}): Promise<SqsRig> {
  const rig = await SqsRig.open();
  await rig.create('q', attributes);
  return rig;
}

/** For assert.rejects. */
export function refusal(shape: string, message?: string | RegExp) {
  return { shape, ...(message === undefined ? {} : { message }) };
}

export function bodies(messages: readonly ReceivedMessage[]): string[] {
  return messages.map(({ Body }) => Body);
}

/** Visible, in flight and delayed, as the queue's attributes say. */
export async function counts(rig: SqsRig, queue = 'q'): Promise<number[]> {
  const names = [
    'ApproximateNumberOfMessages',
    'ApproximateNumberOfMessagesNotVisible',
    'ApproximateNumberOfMessagesDelayed',
  ];
  const { Attributes } = await rig.run('GetQueueAttributes', queue, { AttributeNames: names });
  return names.map((name) => Number(Attributes![name]));
}
