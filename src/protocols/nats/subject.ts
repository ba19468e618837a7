/**
 * Subjects: words separated by dots; in a subscription `*` stands for one word and a last `>` for
 * one or more. A wildcard is a whole word: `a*` and `a.>b` are plain. AMQP's `#` is a word like any
 * other.
 */
const WILDCARD_ONE = '*';
const WILDCARD_REST = '>';

/** What a subscription may have: no empty word, `>` last only. What separates arguments cannot
 * occur. */
export function isValidSubject(subject: string): boolean {
  if (subject.length === 0) return false;
  const words = subject.split('.');
  return words.every(
    (word, i) => word.length > 0 && (word !== WILDCARD_REST || i === words.length - 1),
  );
}

/** What a message should be published to. */
export function isLiteralSubject(subject: string): boolean {
  return subject
    .split('.')
    .every((word) => word.length > 0 && word !== WILDCARD_ONE && word !== WILDCARD_REST);
}

export function hasWildcards(subject: string): boolean {
  const words = subject.split('.');
  return words.includes(WILDCARD_ONE) || words.includes(WILDCARD_REST);
}

/** False when some word is empty: such a message has no subject that NATS could name. */
export function hasWords(subject: string): boolean {
  return (
    subject.length > 0 &&
    !subject.startsWith('.') &&
    !subject.endsWith('.') &&
    !subject.includes('..')
  );
}

/** True when a message published to `subject` belongs to a subscription to `pattern`. Also for
 * patterns that are subjects of other subscriptions: is every message of `subject` one of `pattern`? */
export function subjectMatches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const given = subject.split('.');
  for (let i = 0; i < wanted.length; i++) {
    if (i >= given.length) return false;
    if (wanted[i] === WILDCARD_REST) return true;
    if (given[i] === WILDCARD_REST) return false;
    if (wanted[i] !== WILDCARD_ONE && wanted[i] !== given[i]) return false;
  }
  return wanted.length === given.length;
}

/** True when some message could belong to both. */
export function subjectsOverlap(one: string, other: string): boolean {
  const left = one.split('.');
  const right = other.split('.');
  for (let i = 0; i < left.length && i < right.length; i++) {
    if (left[i] === WILDCARD_REST || right[i] === WILDCARD_REST) return true;
    if (left[i] === WILDCARD_ONE || right[i] === WILDCARD_ONE) continue;
    if (left[i] !== right[i]) return false;
  }
  return left.length === right.length;
}

/**
 * The subject under which a message with this routing key is delivered. What would end a word of a
 * control line is written as `%20` and the like: other protocols' keys may have spaces. Null when a
 * word is empty.
 */
export function deliverableSubject(routingKey: string): string | null {
  if (!hasWords(routingKey)) return null;
  return routingKey.replaceAll(/[ \t\r\n\f]/g, encodeURIComponent);
}
