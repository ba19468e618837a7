/**
 * RouteCache: routes by routing key, bounded, in two generations. When the young one is full it
 * becomes the old one and what nobody asked for meanwhile is forgotten at once, which costs less
 * than taking out one entry for each that comes in.
 */
import type { Route } from './exchange.ts';

export class RouteCache {
  #young = new Map<string, Route>();
  #old = new Map<string, Route>();

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(routingKey: string, sizeMax: number): Route | undefined {
    const route = this.#young.get(routingKey);
    if (route !== undefined) return route;
    const older = this.#old.get(routingKey);
    if (older === undefined) return undefined;
    this.#old.delete(routingKey);
    this.set(routingKey, older, sizeMax);
    return older;
  }

  set(routingKey: string, route: Route, sizeMax: number): void {
    if (this.#young.size * 2 >= sizeMax) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(routingKey, route);
  }

  clear(): void {
    if (this.#young.size > 0) this.#young = new Map();
    if (this.#old.size > 0) this.#old = new Map();
  }
}
