/**
 * SubjectTrie: patterns of words with wildcards, matched against a subject.
 *
 * `one` stands for exactly one word, `many` for any number of words including none, `rest` for one
 * word or more. The wildcards are those of each pattern's own syntax, so patterns of AMQP (`*`, `#`)
 * and NATS (`*`, `>`) stand side by side, and what is a wildcard for one is a word for the other.
 *
 * A match walks the subject once and keeps the set of nodes that are alive after each word: work
 * is (words × alive nodes), never exponential, and independent of how many patterns do not match.
 * Every node but a `many` can be reached in one way per step, so only those need to remember the
 * step they were reached in.
 */
export interface SubjectSyntax {
  readonly separator: string;
  readonly one: string;
  readonly many: string | null;
  readonly rest: string | null;
}

export const AMQP_SYNTAX: SubjectSyntax = { separator: '.', one: '*', many: '#', rest: null };

/** A wildcard among the steps of a pattern. */
export const ONE = 1;
export const MANY = 2;
/** A word, or a wildcard. */
export type Step = string | typeof ONE | typeof MANY;

export function stepsOf(pattern: string, syntax: SubjectSyntax): Step[] {
  if (pattern === '') return [];
  const steps: Step[] = pattern.split(syntax.separator);
  for (let i = 0; i < steps.length; i++) {
    if (steps[i] === syntax.one) steps[i] = ONE;
    else if (steps[i] === syntax.many) steps[i] = MANY;
    else if (steps[i] === syntax.rest) steps.splice(i++, 1, ONE, MANY);
  }
  return steps;
}

class Node<T> {
  readonly parent: Node<T> | null;
  readonly word: string;
  readonly isMany: boolean;
  children: Map<string, Node<T>> | null = null;
  one: Node<T> | null = null;
  many: Node<T> | null = null;
  /** The first value; the set when there are more: most patterns have one. */
  value: T | null = null;
  values: Set<T> | null = null;
  /** The step of a match in which it became alive last. */
  step = 0;

  constructor(parent: Node<T> | null, word: string, isMany: boolean) {
    this.parent = parent;
    this.word = word;
    this.isMany = isMany;
  }

  get isEmpty(): boolean {
    return this.value === null && !this.values && !this.children && !this.one && !this.many;
  }

  /** False when it is there. */
  add(value: T): boolean {
    if (this.values !== null) {
      const { size } = this.values;
      return this.values.add(value).size > size;
    }
    if (this.value === value) return false;
    if (this.value === null) {
      this.value = value;
      return true;
    }
    this.values = new Set([this.value, value]);
    this.value = null;
    return true;
  }

  /** False when it is not there. */
  remove(value: T): boolean {
    if (this.values !== null) {
      if (!this.values.delete(value)) return false;
      if (this.values.size === 0) this.values = null;
      return true;
    }
    if (this.value !== value) return false;
    this.value = null;
    return true;
  }
}

export class SubjectTrie<T> {
  readonly #syntax: SubjectSyntax;
  readonly #root = new Node<T>(null, '', false);
  #size = 0;
  #step = 0;
  /** Reused by every match. */
  #alive: Node<T>[] = [];
  #next: Node<T>[] = [];

  constructor(syntax: SubjectSyntax = AMQP_SYNTAX) {
    this.#syntax = syntax;
  }

  /** How many values there are. */
  get size(): number {
    return this.#size;
  }

  /** False when this value already stands under this pattern. */
  add(pattern: string, value: T, syntax = this.#syntax): boolean {
    let node = this.#root;
    for (const step of stepsOf(pattern, syntax)) node = grow(node, step);
    if (!node.add(value)) return false;
    this.#size++;
    return true;
  }

  /** False when there is no such value under this pattern. */
  remove(pattern: string, value: T, syntax = this.#syntax): boolean {
    let node: Node<T> | null = this.#root;
    for (const step of stepsOf(pattern, syntax)) {
      node = child(node, step);
      if (!node) return false;
    }
    if (!node.remove(value)) return false;
    this.#size--;
    prune(node);
    return true;
  }

  /** Adds every value whose pattern matches to `into`; one that stands under several matching
   * patterns comes several times. */
  match(subject: string, into: T[]): void {
    this.#alive.length = 0;
    this.#step++;
    this.#enter(this.#root, this.#alive);
    const { separator } = this.#syntax;
    let from = 0;
    // No words at all: only patterns that match nothing do.
    while (subject.length > 0 && this.#alive.length > 0) {
      const end = subject.indexOf(separator, from);
      this.#advance(end < 0 ? subject.slice(from) : subject.slice(from, end));
      if (end < 0) break;
      from = end + separator.length;
    }
    const alive = this.#alive;
    for (let i = 0; i < alive.length; i++) {
      const { value, values } = alive[i]!;
      if (value !== null) into.push(value);
      else if (values !== null) for (const each of values) into.push(each);
    }
  }

  #advance(word: string): void {
    const alive = this.#alive;
    const next = this.#next;
    next.length = 0;
    this.#step++;
    for (let i = 0; i < alive.length; i++) {
      const node = alive[i]!;
      if (node.isMany) this.#stay(node, next);
      const child = node.children?.get(word);
      if (child) this.#enter(child, next);
      if (node.one) this.#enter(node.one, next);
    }
    this.#alive = next;
    this.#next = alive;
  }

  /** A node is reached; so is the `many` after it, which may stand for no word. */
  #enter(node: Node<T>, into: Node<T>[]): void {
    into.push(node);
    if (node.many) this.#stay(node.many, into);
  }

  #stay(node: Node<T>, into: Node<T>[]): void {
    if (node.step === this.#step) return;
    node.step = this.#step;
    this.#enter(node, into);
  }
}

function child<T>(node: Node<T>, step: Step): Node<T> | null {
  if (step === ONE) return node.one;
  if (step === MANY) return node.many;
  return node.children?.get(step) ?? null;
}

function grow<T>(node: Node<T>, step: Step): Node<T> {
  if (step === ONE) return (node.one ??= new Node<T>(node, '', false));
  if (step === MANY) return (node.many ??= new Node<T>(node, '', true));
  node.children ??= new Map();
  let next = node.children.get(step);
  if (!next) node.children.set(step, (next = new Node<T>(node, step, false)));
  return next;
}

/** Takes out nodes that nothing hangs on any more. */
function prune<T>(node: Node<T>): void {
  let empty = node;
  while (empty.parent && empty.isEmpty) {
    const { parent } = empty;
    if (parent.one === empty) parent.one = null;
    else if (parent.many === empty) parent.many = null;
    else {
      parent.children!.delete(empty.word);
      if (parent.children!.size === 0) parent.children = null;
    }
    empty = parent;
  }
}
