/**
 * KeyTree: routes by the words of the routing key they were made for, so that a pattern finds those
 * it concerns: a subject trie the other way round.
 *
 * It may find a few too many, never too few: a `many` takes all that is below it, and keys that
 * begin with the same WORDS_MAX words lie together.
 */
import type { Route } from './exchange.ts';
import { MANY, ONE } from './subject-trie.ts';
import type { Step } from './subject-trie.ts';

/** Bounds what a key of very many words costs. */
const WORDS_MAX = 8;

class Node {
  children: Map<string, Node> | null = null;
  routes: Route[] | null = null;
}

export class KeyTree {
  readonly #root = new Node();
  readonly #separator: string;

  constructor(separator: string) {
    this.#separator = separator;
  }

  add(routingKey: string, route: Route): void {
    let node = this.#root;
    let from = routingKey === '' ? -1 : 0;
    for (let words = 0; words < WORDS_MAX && from >= 0; words++) {
      const end = routingKey.indexOf(this.#separator, from);
      const word = end < 0 ? routingKey.slice(from) : routingKey.slice(from, end);
      from = end < 0 ? -1 : end + this.#separator.length;
      node.children ??= new Map();
      let next = node.children.get(word);
      if (!next) node.children.set(word, (next = new Node()));
      node = next;
    }
    if (node.routes === null) node.routes = [route];
    else node.routes.push(route);
  }

  /** Takes out the routes whose keys the pattern may match, and adds them to `into`. */
  take(pattern: readonly Step[], into: Route[]): void {
    take(this.#root, pattern, 0, into);
  }
}

/** True when nothing is left of the node. */
function take(node: Node, pattern: readonly Step[], at: number, into: Route[]): boolean {
  const step = pattern[at];
  const { children } = node;
  if (step === MANY) {
    takeAll(node, into);
    return true;
  }
  if (at === pattern.length || at === WORDS_MAX) {
    if (node.routes !== null) for (const route of node.routes) into.push(route);
    node.routes = null;
  } else if (children !== null) {
    if (step === ONE) {
      for (const [word, child] of children) {
        if (take(child, pattern, at + 1, into)) children.delete(word);
      }
    } else {
      const child = children.get(step as string);
      if (child && take(child, pattern, at + 1, into)) children.delete(step as string);
    }
    if (children.size === 0) node.children = null;
  }
  return node.routes === null && node.children === null;
}

function takeAll(node: Node, into: Route[]): void {
  if (node.routes !== null) for (const route of node.routes) into.push(route);
  if (node.children !== null) for (const child of node.children.values()) takeAll(child, into);
  node.routes = null;
  node.children = null;
}
