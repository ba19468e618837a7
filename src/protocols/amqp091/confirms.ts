/**
 * Publisher confirms of one channel: numbers the publishes and acknowledges them in order, as few
 * frames as possible.
 *
 * What nobody stores durably is confirmed at the end of the read; what waits for the disk when its
 * commit generation is done, all of it by one basic.ack with `multiple`. Something that needs no
 * commit but follows something that does is confirmed with it, so that one high-water mark is all
 * there is to keep. A refused message is nacked at once, before any ack can cover it.
 */
import type { Commit, CommitWaiter } from '#core/log.ts';

export interface ConfirmSender {
  /** Acknowledges `count` publishes, the last of which is `sequence`. */
  confirm(sequence: number, count: number): void;
  nack(sequence: number): void;
}

export class Confirms implements CommitWaiter {
  readonly #commit: Commit;
  readonly #sender: ConfirmSender;
  /** Number of the publish handled last; the first is 1. */
  #published = 0;
  /** Of the last one that was not refused: a nacked number is never acknowledged by itself. */
  #taken = 0;
  #confirmed = 0;
  /** Generations with waiting publishes, oldest first, and the last publish each covers. */
  #generations: number[] = [];
  #marks: number[] = [];

  constructor(commit: Commit, sender: ConfirmSender) {
    this.#commit = commit;
    this.#sender = sender;
  }

  /** One publish went well; `awaitCommit` when a durable destination took it. */
  published(awaitCommit: boolean): void {
    const sequence = ++this.#published;
    this.#taken = sequence;
    const waiting = this.#generations.length;
    if (!awaitCommit) {
      if (waiting > 0) this.#marks[waiting - 1] = sequence;
      return;
    }
    const generation = this.#commit.generation;
    if (waiting > 0 && this.#generations[waiting - 1] === generation) {
      this.#marks[waiting - 1] = sequence;
      return;
    }
    this.#generations.push(generation);
    this.#marks.push(sequence);
    this.#commit.wait(this);
  }

  /** One publish was refused by a destination. */
  refused(): void {
    this.#sender.nack(++this.#published);
  }

  /** End of a read: confirms what waits for nothing. */
  settle(): void {
    if (this.#generations.length === 0) this.#confirmUpTo(this.#taken);
  }

  committed(generation: number): void {
    let done = 0;
    while (done < this.#generations.length && this.#generations[done]! <= generation) done++;
    if (done === 0) return;
    const mark = this.#marks[done - 1]!;
    this.#generations.splice(0, done);
    this.#marks.splice(0, done);
    this.#confirmUpTo(mark);
  }

  #confirmUpTo(sequence: number): void {
    if (sequence <= this.#confirmed) return;
    const count = sequence - this.#confirmed;
    this.#confirmed = sequence;
    this.#sender.confirm(sequence, count);
  }
}
