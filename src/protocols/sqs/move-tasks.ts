/**
 * MoveTasks: what StartMessageMoveTask starts. The ten latest tasks of a dead-letter queue are kept
 * with it (an annotation of the queue), so that a task that was running goes on after a restart.
 * How many it has moved is written when it ends; what a crash forgets of that is counted anew.
 */
import { type MoverListener, MessageMover } from './message-mover.ts';
import type { SqsNode } from './node.ts';
import { Annotation } from './queue-draft.ts';
import { draftOf } from './queue-attributes.ts';
import type { SqsQueue, SqsQueues } from './sqs-queues.ts';

const KEPT_MAX = 10;

export interface MoveTask {
  readonly id: string;
  readonly destination: string | null;
  readonly perSecond: number | null;
  readonly startedMs: number;
  readonly toMove: number;
  status: 'RUNNING' | 'COMPLETED' | 'CANCELLED' | 'FAILED';
  moved: number;
  /** Why it failed: a code. */
  failure: string | null;
}

interface ActiveTask {
  readonly source: SqsQueue;
  readonly task: MoveTask;
  readonly mover: MessageMover;
}

export class MoveTasks {
  readonly #node: SqsNode;
  readonly #queues: SqsQueues;
  /** By the name of the source. */
  readonly #active = new Map<string, ActiveTask>();

  /** Goes on with what a restart interrupted. */
  constructor(node: SqsNode, queues: SqsQueues) {
    this.#node = node;
    this.#queues = queues;
    for (const name of queues.names()) {
      const source = queues.find(name)!;
      const running = this.of(source).find(({ status }) => status === 'RUNNING');
      if (running !== undefined) this.#run(source, running);
    }
  }

  /** Latest first. */
  of(source: SqsQueue): readonly MoveTask[] {
    const text = source.queue.options.annotations[Annotation.MoveTasks];
    const tasks = text === undefined ? [] : (JSON.parse(text) as MoveTask[]);
    const active = this.#active.get(source.queue.name);
    if (active?.source !== source) return tasks;
    return tasks.map((task) => (task.id === active.task.id ? active.task : task));
  }

  isActive(source: SqsQueue): boolean {
    return this.#active.get(source.queue.name)?.source === source;
  }

  /** None of this source is active. */
  start(source: SqsQueue, destination: string | null, perSecond: number | null): MoveTask {
    const { ports } = this.#node.broker;
    const task: MoveTask = {
      id: uuid(ports.random.bytes(16)),
      destination,
      perSecond,
      startedMs: ports.clock.now(),
      toMove: source.queue.readyCount,
      status: 'RUNNING',
      moved: 0,
      failure: null,
    };
    this.#keep(source, [task, ...this.of(source)]);
    this.#run(source, task);
    return task;
  }

  /** The task is active. */
  cancel(source: SqsQueue): void {
    const active = this.#active.get(source.queue.name)!;
    active.mover.cancel();
    this.#end(active, 'CANCELLED', null);
  }

  #run(source: SqsQueue, task: MoveTask): void {
    const { destination, perSecond } = task;
    const movement = { source: source.queue.name, destination, perSecond };
    const listener: MoverListener = {
      moved: (count) => {
        task.moved += count;
        // What was underway when it was cancelled.
        if (task.status !== 'RUNNING') this.#rewrite(source, task);
      },
      ended: (failure) => {
        this.#end(active, failure === null ? 'COMPLETED' : 'FAILED', failure);
      },
    };
    const mover = new MessageMover(this.#node, this.#queues, source, movement, listener);
    const active: ActiveTask = { source, task, mover };
    this.#active.set(source.queue.name, active);
    mover.start();
  }

  #end(active: ActiveTask, status: MoveTask['status'], failure: string | null): void {
    const { source, task } = active;
    task.status = status;
    task.failure = failure;
    if (this.#active.get(source.queue.name) === active) this.#active.delete(source.queue.name);
    this.#rewrite(source, task);
  }

  #rewrite(source: SqsQueue, task: MoveTask): void {
    // The queue may be gone by now, and its tasks with it.
    if (this.#queues.find(source.queue.name) !== source) return;
    this.#keep(
      source,
      this.of(source).map((other) => (other.id === task.id ? task : other)),
    );
  }

  #keep(source: SqsQueue, tasks: readonly MoveTask[]): void {
    const draft = draftOf(source.queue);
    draft.annotations[Annotation.MoveTasks] = JSON.stringify(tasks.slice(0, KEPT_MAX));
    this.#queues.alter(source, draft);
  }
}

/** Version 4. */
function uuid(bytes: Uint8Array): string {
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
  return `${parts.join('-')}-${hex.slice(20)}`;
}
