/**
 * IncrementalAlterConfigs (44): sets, deletes, and, for lists, appends and subtracts (KIP-339).
 *
 * v1: flexible
 */
import type { Call } from '../call.ts';
import { alterResource, type ResourceName } from '../config-resource.ts';
import { defineHandler } from '../handler.ts';
import type { Refusal } from '../refusal.ts';
import { BrokerError } from '#core/errors.ts';
import { TopicConfig } from '#core/topic/topic-config.ts';

const SET = 0;
const DELETE = 1;
const APPEND = 2;
const SUBTRACT = 3;

interface Operation {
  name: string;
  operation: number;
  value: string | null;
}

interface Alteration extends ResourceName {
  operations: Operation[];
}

interface IncrementalAlterConfigsRequest {
  resources: Alteration[];
  validateOnly: boolean;
}

export const incrementalAlterConfigs = defineHandler<IncrementalAlterConfigsRequest>({
  key: 44,
  name: 'IncrementalAlterConfigs',
  min: 0,
  max: 1,
  flexibleFrom: 1,

  decode(reader) {
    const resources = reader.array((r) => {
      const type = r.int8();
      const name = r.string();
      const operations = r.array((each) => {
        const setting = each.string();
        const operation = each.int8();
        const value = each.nullableString();
        each.tags();
        return { name: setting, operation, value };
      });
      r.tags();
      return { type, name, operations };
    });
    const validateOnly = reader.bool();
    reader.tags();
    return { resources, validateOnly };
  },

  handle({ resources, validateOnly }, call) {
    const { sync } = call.node.broker.defaults;
    const results = resources.map((resource) => ({
      resource,
      ...alterResource(call.node, resource, validateOnly, (set) => {
        const now = new TopicConfig(set, sync);
        return resource.operations.map((operation) => change(operation, now));
      }),
    }));
    writeAltered(call, results);
  },
});

function change({ name, operation, value }: Operation, now: TopicConfig): [string, string | null] {
  if (operation === DELETE) return [name, null];
  const refused = (text: string): BrokerError =>
    new BrokerError('invalid-argument', text, { config: name });
  if (value === null) throw refused(`Null value not supported for ${name}`);
  if (operation === SET) return [name, value];
  if (operation !== APPEND && operation !== SUBTRACT) {
    throw refused(`Unknown operation ${operation} for ${name}`);
  }
  const entry = now.entries().find(({ definition }) => definition.name === name);
  if (entry !== undefined && entry.definition.type !== 'list') {
    throw refused(`Config value append is not allowed for config key: ${name}`);
  }
  const parts = new Set((entry?.value ?? '').split(',').filter((part) => part !== ''));
  for (const part of value.split(',')) {
    if (operation === APPEND) parts.add(part.trim());
    else parts.delete(part.trim());
  }
  return [name, [...parts].join(',')];
}

/** Both ways to alter are answered alike. */
export function writeAltered(
  call: Call,
  results: readonly (Refusal & { resource: ResourceName })[],
): void {
  call.replyCommitted((writer) => {
    writer.int32(0);
    writer.array(results, (w, { resource, error, text }) => {
      w.int16(error).nullableString(text).int8(resource.type).string(resource.name).tags();
    });
    writer.tags();
  });
}
