/**
 * Definitions as the catalog keeps them: options as JSON and back. Defaults are not written, so a
 * setting that is added later has its default for everything that was declared before.
 */
import type { Binding, BindingName, DestinationKind, SourceKind } from './routing/binding.ts';
import type { ExchangeOptions } from './routing/exchange.ts';
import type { ExchangeKind } from './routing/exchange-kinds.ts';
import { headerJson, tableFrom, toJson } from './message/header-json.ts';
import { defaultQueueOptions } from './queue/queue-options.ts';
import type { QueueOptions } from './queue/queue-options.ts';

type Json = ReturnType<typeof toJson>;
type Table = Record<string, Json>;

export interface QueueDefinition {
  readonly id: number;
  readonly options: QueueOptions;
}

export interface TopicDefinition {
  readonly id: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly config: readonly (readonly [string, string])[];
  readonly arguments: Json;
}

export function exchangeJson(options: ExchangeOptions): Table {
  const table: Table = { kind: options.kind };
  if (options.autoDelete) table['autoDelete'] = true;
  if (options.internal) table['internal'] = true;
  if (options.delayed) table['delayed'] = true;
  if (options.alternateExchange !== null) table['alternateExchange'] = options.alternateExchange;
  if (Object.keys(options.arguments).length > 0) table['arguments'] = toJson(options.arguments);
  return table;
}

export function exchangeFrom(value: unknown): ExchangeOptions {
  const table = value as Table;
  return {
    kind: table['kind'] as ExchangeKind,
    durable: true,
    autoDelete: table['autoDelete'] === true,
    internal: table['internal'] === true,
    delayed: table['delayed'] === true,
    alternateExchange: (table['alternateExchange'] ?? null) as string | null,
    arguments: tableFrom(table['arguments'] ?? {}),
  };
}

export function queueJson(id: number, options: QueueOptions): Table {
  const table: Table = { id };
  for (const [name, value] of Object.entries(defaultQueueOptions())) {
    const set = options[name as keyof QueueOptions];
    if (name === 'exclusiveTo' || name === 'arguments' || set === value) continue;
    if (name === 'annotations' && Object.keys(options.annotations).length === 0) continue;
    table[name] = set as Json;
  }
  if (Object.keys(options.arguments).length > 0) table['arguments'] = toJson(options.arguments);
  return table;
}

export function queueFrom(value: unknown): QueueDefinition {
  const { id, arguments: args, ...rest } = value as Table & { id: number };
  return {
    id,
    options: { ...defaultQueueOptions(), ...rest, arguments: tableFrom(args ?? {}) },
  };
}

/** A binding is its name: source, destination, routing key, arguments, and `as` if it has one. */
export function bindingName(binding: Binding): string[] {
  const { sourceKind, source, destination, routingKey, as } = binding;
  const args = headerJson(binding.arguments, true);
  const name = [sourceKind, source, destination.kind, destination.name, routingKey, args];
  return as === null ? name : [...name, as];
}

export function bindingFrom(name: readonly string[]): BindingName {
  const [sourceKind, source, kind, destination, routingKey, args, as] = name;
  return {
    source: { kind: sourceKind as SourceKind, name: source! },
    destination: { kind: kind as DestinationKind, name: destination! },
    routingKey: routingKey!,
    arguments: tableFrom(JSON.parse(args!) as Json),
    as: as ?? null,
  };
}
