/**
 * Verbs: which operation begins at a position. Case does not matter. What is not there yet is no
 * error as long as it may still become a verb.
 */
import { fatal, Text } from './errors.ts';

export const Verb = {
  Connect: 'connect',
  Pub: 'pub',
  Hpub: 'hpub',
  Sub: 'sub',
  Unsub: 'unsub',
  Ping: 'ping',
  Pong: 'pong',
  Info: 'info',
  Ok: '+ok',
  Err: '-err',
} as const;
export type Verb = (typeof Verb)[keyof typeof Verb];

const LOWER_CASE = 0x20;
const CODES = new Map<Verb, Uint8Array>(
  Object.values(Verb).map((verb) => [verb, Buffer.from(verb)]),
);

/** Null when more bytes are needed. Throws NatsError when it is none. */
export function verbAt(bytes: Uint8Array, at: number, end: number): Verb | null {
  const verb = guess(bytes, at, end);
  if (verb === null) return null;
  const code = CODES.get(verb)!;
  const available = Math.min(code.length, end - at);
  for (let i = 0; i < available; i++) {
    // Signs have no case; OR-ing the bit leaves `+` and `-` as they are.
    if ((bytes[at + i]! | LOWER_CASE) !== code[i]) throw fatal(Text.UnknownOperation);
  }
  return available < code.length ? null : verb;
}

/** By its first two letters. */
function guess(bytes: Uint8Array, at: number, end: number): Verb | null {
  switch (String.fromCharCode(bytes[at]! | LOWER_CASE)) {
    case 'p':
      return at + 1 === end ? null : guessP(bytes[at + 1]!);
    case 'h':
      return Verb.Hpub;
    case 's':
      return Verb.Sub;
    case 'u':
      return Verb.Unsub;
    case 'c':
      return Verb.Connect;
    case 'i':
      return Verb.Info;
    case '+':
      return Verb.Ok;
    case '-':
      return Verb.Err;
    default:
      throw fatal(Text.UnknownOperation);
  }
}

function guessP(second: number): Verb {
  switch (String.fromCharCode(second | LOWER_CASE)) {
    case 'u':
      return Verb.Pub;
    case 'i':
      return Verb.Ping;
    case 'o':
      return Verb.Pong;
    default:
      throw fatal(Text.UnknownOperation);
  }
}
