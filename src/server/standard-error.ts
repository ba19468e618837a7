/**
 * Lines on stderr, written at once: what was said before a crash is there after it.
 *
 * Unless stderr is a pipe or socket that is full, because nobody reads it. Whoever writes to it then
 * waits, and with this one thread everybody else; so a pipe is opened a second time in a way that does
 * not wait, and lines for which there is no room are counted instead. Files and terminals take what they
 * get.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';

const STDERR = 2;
const REOPENED = '/proc/self/fd/2';

export class StandardError {
  readonly #fd: number;
  readonly #write: (fd: number, text: string) => number;
  #lost = 0;
  /** The last line went out in part. */
  #isCut = false;

  constructor(fd = openLike(STDERR), write = writeSync as (fd: number, text: string) => number) {
    this.#fd = fd;
    this.#write = write;
  }

  /** Text that ends in a line feed. */
  write(line: string): void {
    const begin = this.#isCut ? '\n' : '';
    const lost = this.#lost === 0 ? '' : `${JSON.stringify(lostLines(this.#lost))}\n`;
    const text = begin + lost + line;
    try {
      const written = this.#write(this.#fd, text);
      this.#isCut = written < Buffer.byteLength(text);
      // What was said of the lost counts only when all of it was said.
      if (written >= begin.length + lost.length) this.#lost = 0;
      if (this.#isCut) this.#lost++;
    } catch {
      // Full, or closed at the other end: there is nobody to tell.
      this.#lost++;
    }
  }
}

function lostLines(count: number): object {
  const time = new Date().toISOString();
  return {
    level: 'warn',
    pid: process.pid,
    time,
    msg: 'log lines were lost: stderr was full',
    count,
  };
}

function openLike(fd: number): number {
  try {
    const kind = fstatSync(fd);
    // Node's own stream over it makes that it does not wait.
    if (kind.isSocket()) return process.stderr.fd;
    if (!kind.isFIFO()) return fd;
    const opened = openSync(REOPENED, constants.O_WRONLY | constants.O_NONBLOCK);
    if (fstatSync(opened).ino === fstatSync(fd).ino) return opened;
    closeSync(opened);
  } catch {
    // No such system, or no stderr: as it is.
  }
  return fd;
}
