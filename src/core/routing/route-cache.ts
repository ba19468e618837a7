/**
 * RouteCache: the routes of one exchange by routing key, bounded, in two generations. When the young
 * one is full it becomes the old one and what nobody asked for meanwhile is forgotten at once, which
 * costs less than taking out one entry for each that comes in.
 *
 * When a binding comes or goes, only what its key or pattern concerns is forgotten. Others keep
 * routes too (an address cache does): a forgotten route says so by `isCurrent`.
 */
import type { Route } from './exchange.ts';
import { KeyTree } from './key-tree.ts';
import { stepsOf } from './subject-trie.ts';
import type { SubjectSyntax } from './subject-trie.ts';

/** Of a route that is not remembered. */
export const FORGOTTEN = -1;

class Generation {
  readonly routes = new Map<string, Route>();
  /** What patterns find them by, and some that were forgotten or moved; null as long as no pattern
   * asked. */
  readonly tree: KeyTree | null;
  /** How many were ever added: bounds the tree too. */
  added = 0;

  constructor(tree: KeyTree | null) {
    this.tree = tree;
  }
}

export class RouteCache {
  /** Rises when all is forgotten; Route.version of what is not. */
  version = 0;
  #young = new Generation(null);
  #old = new Generation(null);
  /** What separates the words of keys, once patterns changed. */
  #separator: string | null = null;
  readonly #taken: Route[] = [];

  get size(): number {
    return this.#young.routes.size + this.#old.routes.size;
  }

  get(routingKey: string, sizeMax: number): Route | undefined {
    const route = this.#young.routes.get(routingKey);
    if (route !== undefined) return route;
    const older = this.#old.routes.get(routingKey);
    if (older === undefined) return undefined;
    this.#old.routes.delete(routingKey);
    this.#add(routingKey, older, sizeMax);
    return older;
  }

  set(routingKey: string, route: Route, sizeMax: number): void {
    route.version = this.version;
    this.#add(routingKey, route, sizeMax);
  }

  #add(routingKey: string, route: Route, sizeMax: number): void {
    if (this.#young.added * 2 >= sizeMax) {
      for (const gone of this.#old.routes.values()) gone.version = FORGOTTEN;
      this.#old = this.#young;
      this.#young = this.#generation();
    }
    this.#young.added++;
    this.#young.routes.set(routingKey, route);
    this.#young.tree?.add(routingKey, route);
  }

  #generation(): Generation {
    return new Generation(this.#separator === null ? null : new KeyTree(this.#separator));
  }

  forget(routingKey: string): void {
    const { routes } = this.#young.routes.has(routingKey) ? this.#young : this.#old;
    const route = routes.get(routingKey);
    if (route === undefined) return;
    route.version = FORGOTTEN;
    routes.delete(routingKey);
  }

  /** All that the pattern may match. The first pattern costs all routes; from then on their keys are
   * kept by their words. */
  forgetMatching(pattern: string, syntax: SubjectSyntax): void {
    if (this.#separator !== syntax.separator) {
      this.#separator = syntax.separator;
      this.clear();
      this.#young = this.#generation();
      this.#old = this.#generation();
      return;
    }
    const steps = stepsOf(pattern, syntax);
    this.#forgetIn(this.#young, steps);
    this.#forgetIn(this.#old, steps);
  }

  #forgetIn({ routes, tree }: Generation, steps: ReturnType<typeof stepsOf>): void {
    const taken = this.#taken;
    tree!.take(steps, taken);
    for (let i = 0; i < taken.length; i++) {
      const route = taken[i]!;
      route.version = FORGOTTEN;
      // Not one that was moved or forgotten before.
      if (routes.get(route.routingKey) === route) routes.delete(route.routingKey);
    }
    taken.length = 0;
  }

  clear(): void {
    this.version++;
    if (this.#young.added > 0) this.#young = this.#generation();
    if (this.#old.added > 0) this.#old = this.#generation();
  }
}
