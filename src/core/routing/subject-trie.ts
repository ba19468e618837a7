/**
 * SubjectTrie: patterns of words with wildcards, matched against a subject.
 *
 * `one` stands for exactly one word, `many` for any number of words including none. Separator and
 * wildcards are arguments, so the same trie serves AMQP (`.`, `*`, `#`), MQTT (`/`, `+`, `#`) and
 * NATS, whose `>` (one or more) a protocol writes as `one`, `many`.
 *
 * A match walks the subject once and keeps the set of nodes that are alive after each word: work
 * is (words × alive nodes), never exponential, and independent of how many patterns do not match.
 * Every node but a `many` can be reached in one way per step, so only those need to remember the
 * step they were reached in.
 */
export interface SubjectSyntax {
  readonly separator: string;
  readonly one: string;
  readonly many: string;
}

export const AMQP_SYNTAX: SubjectSyntax = { separator: '.', one: '*', many: '#' };

class Node<T> {
  readonly parent: Node<T> | null;
  readonly word: string;
  readonly isMany: boolean;
  children: Map<string, Node<T>> | null = null;
  one: Node<T> | null = null;
  many: Node<T> | null = null;
  values: Set<T> | null = null;
  /** The step of a match in which it became alive last. */
  step = 0;

  constructor(parent: Node<T> | null, word: string, isMany: boolean) {
    this.parent = parent;
    this.word = word;
    this.isMany = isMany;
  }

  get isEmpty(): boolean {
    return !this.values && !this.children && !this.one && !this.many;
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
  add(pattern: string, value: T): boolean {
    let node = this.#root;
    for (const word of this.#words(pattern)) node = this.#grow(node, word);
    node.values ??= new Set();
    if (node.values.has(value)) return false;
    node.values.add(value);
    this.#size++;
    return true;
  }

  /** False when there is no such value under this pattern. */
  remove(pattern: string, value: T): boolean {
    let node: Node<T> | null = this.#root;
    for (const word of this.#words(pattern)) {
      node = this.#child(node, word);
      if (!node) return false;
    }
    if (!node.values?.delete(value)) return false;
    this.#size--;
    if (node.values.size === 0) node.values = null;
    this.#prune(node);
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
    for (const { values } of this.#alive) {
      if (values) for (const value of values) into.push(value);
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

  #words(pattern: string): string[] {
    return pattern === '' ? [] : pattern.split(this.#syntax.separator);
  }

  #child(node: Node<T>, word: string): Node<T> | null {
    if (word === this.#syntax.one) return node.one;
    if (word === this.#syntax.many) return node.many;
    return node.children?.get(word) ?? null;
  }

  #grow(node: Node<T>, word: string): Node<T> {
    if (word === this.#syntax.one) return (node.one ??= new Node<T>(node, word, false));
    if (word === this.#syntax.many) return (node.many ??= new Node<T>(node, word, true));
    node.children ??= new Map();
    let child = node.children.get(word);
    if (!child) node.children.set(word, (child = new Node<T>(node, word, false)));
    return child;
  }

  /** Takes out nodes that nothing hangs on any more. */
  #prune(node: Node<T>): void {
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
}
