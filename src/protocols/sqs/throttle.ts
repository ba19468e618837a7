/**
 * Publishers while the broker is short: with a full disk they are refused, with little memory they wait
 * until there is more, and are told to slow down when that takes too long; SDKs then try again later.
 */
import type { AlarmListener } from '#core/broker.ts';
import type { Timer } from '#core/schedule.ts';
import type { Waiting } from './action.ts';
import { SqsError } from './errors.ts';
import type { ServedCall } from './served-call.ts';

const WAIT_MS_MAX = 1000;

class Throttle implements Waiting, AlarmListener {
  readonly #call: ServedCall;
  readonly #serve: () => void;
  readonly #timer: Timer;

  constructor(call: ServedCall, serve: () => void) {
    this.#call = call;
    this.#serve = serve;
    const { broker } = call.node;
    broker.onAlarm(this);
    this.#timer = broker.schedule.at(broker.ports.clock.now() + WAIT_MS_MAX, () => this.hurry());
  }

  alarmed(): void {
    const { broker } = this.#call.node;
    if (broker.alarms.memory) return;
    this.abandon();
    this.#call.waiting = null;
    if (broker.hasSpace) this.#serve();
    else this.#call.refuse(diskFull());
  }

  hurry(): void {
    this.abandon();
    this.#call.refuse(new SqsError('RequestThrottled'));
  }

  abandon(): void {
    const { broker } = this.#call.node;
    broker.offAlarm(this);
    broker.schedule.cancel(this.#timer);
  }
}

function diskFull(): SqsError {
  return new SqsError('ServiceUnavailable', 'The disk of the broker is full.');
}

/** False: it may be served now. Else `serve` is called later, or never. Throws SqsError. */
export function throttled(call: ServedCall, serve: () => void): boolean {
  const { broker } = call.node;
  if (!broker.hasSpace) throw diskFull();
  if (!broker.alarms.memory) return false;
  call.waiting = new Throttle(call, serve);
  return true;
}
