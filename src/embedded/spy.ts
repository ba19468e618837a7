/**
 * SpyView: what a recorder has kept of all namespaces or of one, and waiting for what comes.
 */
import { checkFilter } from './option-forms.ts';
import type { Recorder, Waiter } from './recorder.ts';
import type { SpiedMessage, Spy, SpyFilter } from './spied.ts';

const TIMEOUT_MS = 1000;
/** In the message of a `next` that waited in vain. */
const SHOWN_MAX = 10;
const SHOWN_TEXT_MAX = 60;
const FIELDS = ['event', 'protocol', 'namespace', 'address', 'exchange', 'key', 'text'] as const;

type Matches = (message: SpiedMessage) => boolean;

export class SpyView implements Spy {
  readonly #recorder: Recorder;
  /** Null: all. */
  readonly #namespace: string | null;
  /** What an earlier `next` gave out. */
  readonly #taken = new WeakSet<SpiedMessage>();
  /** Before this entry of the recorder all is given out. */
  #from = 0;

  constructor(recorder: Recorder, namespace: string | null) {
    this.#recorder = recorder;
    this.#namespace = namespace;
  }

  get published(): readonly SpiedMessage[] {
    return this.#all().filter((it) => it.event === 'published');
  }

  get delivered(): readonly SpiedMessage[] {
    return this.#all().filter((it) => it.event === 'delivered');
  }

  get dropped(): number {
    return this.#recorder.dropped;
  }

  clear(): void {
    this.#recorder.clear((it) => this.#sees(it));
  }

  async next(filter: SpyFilter | Matches = {}, timeoutMs = TIMEOUT_MS): Promise<SpiedMessage> {
    checkFilter(filter, timeoutMs);
    const matches = matcher(filter);
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#recorder.unwait(waiter);
      };
      // What did not match will not match later.
      let from = this.#from;
      const waiter: Waiter = {
        look: () => {
          try {
            const found = this.#take(matches, from);
            from = this.#recorder.end;
            if (!found) return;
            finish();
            resolve(found);
          } catch (error) {
            // Thrown by the filter.
            finish();
            reject(error);
          }
        },
        fail: (error) => {
          finish();
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        finish();
        reject(new Error(this.#inVain(filter, timeoutMs)));
      }, timeoutMs);
      this.#recorder.wait(waiter);
    });
  }

  #all(): SpiedMessage[] {
    return this.#recorder.messages().filter((it) => this.#sees(it));
  }

  #sees(message: SpiedMessage): boolean {
    return this.#namespace === null || message.namespace === this.#namespace;
  }

  #take(matches: Matches, from: number): SpiedMessage | null {
    const isFromStart = from <= this.#from;
    let found: SpiedMessage | null = null;
    let left = this.#recorder.end;
    this.#recorder.visit(from, (message, entry) => {
      if (!this.#sees(message) || this.#taken.has(message)) return false;
      left = Math.min(left, entry);
      if (!matches(message)) return false;
      found = message;
      this.#taken.add(message);
      return true;
    });
    if (isFromStart) this.#from = left;
    return found;
  }

  #inVain(filter: SpyFilter | Matches, timeoutMs: number): string {
    const wanted = typeof filter === 'function' ? 'that the filter takes' : describe(filter);
    const left = this.#all().filter((it) => !this.#taken.has(it));
    const last = left.slice(-SHOWN_MAX).map((it) => `\n  ${line(it)}`);
    const seen = left.length === 0 ? 'nothing came' : `what came (${left.length}):${last.join('')}`;
    return `no message ${wanted} within ${timeoutMs} ms; ${seen}`;
  }
}

function matcher(filter: SpyFilter | Matches): Matches {
  if (typeof filter === 'function') return filter;
  const wanted = FIELDS.filter((name) => filter[name] !== undefined);
  return (message) =>
    wanted.every((name) => message[name] === filter[name]) && (filter.where?.(message) ?? true);
}

function describe(filter: SpyFilter): string {
  const { where, ...fields } = filter;
  const words = Object.entries(fields).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  if (where) words.push('where the function says so');
  return words.length === 0 ? 'at all' : `with ${words.join(', ')}`;
}

function line(message: SpiedMessage): string {
  const { event, protocol, exchange, address, text } = message;
  const place = exchange === '' ? `'${address}'` : `'${exchange}' '${address}'`;
  const start = text.length > SHOWN_TEXT_MAX ? `${text.slice(0, SHOWN_TEXT_MAX)}…` : text;
  return `${event} ${protocol} ${place}: ${JSON.stringify(start)}`;
}
