/**
 * Intake: what a queue asks of a message before it takes it in, and what it adds: its own delay.
 * Most queues ask nothing and have none.
 */
import type { Message } from '../message/message.ts';
import type { Ports } from '../ports.ts';
import type { QueueOptions } from './queue-options.ts';

export class Intake {
  readonly #options: QueueOptions;
  readonly #ports: Ports;

  private constructor(options: QueueOptions, ports: Ports) {
    this.#options = options;
    this.#ports = ports;
  }

  /** null when nothing is asked. */
  static for(options: QueueOptions, ports: Ports): Intake | null {
    const { delayMs, messageBytesMax } = options;
    return delayMs === null && messageBytesMax === null ? null : new Intake(options, ports);
  }

  admits(message: Message): boolean {
    const { messageBytesMax } = this.#options;
    return messageBytesMax === null || message.bodyBytes <= messageBytesMax;
  }

  /** Gives `message` what the queue adds. */
  prepare(message: Message): void {
    const { delayMs } = this.#options;
    if (delayMs !== null && delayMs > 0 && message.deliverAtMs === 0) {
      message.deliverAtMs = this.#ports.clock.now() + delayMs;
    }
  }
}
