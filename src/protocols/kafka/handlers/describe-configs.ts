/**
 * DescribeConfigs (32).
 *
 * v1: sources and synonyms   v3: types and documentation (KIP-569)   v4: flexible
 */
import { brokerConfig } from '../broker-config.ts';
import type { Call } from '../call.ts';
import { type ConfigLine, topicConfigLines, writeConfigs } from '../config-entries.ts';
import { brokerNameComplaint, noSuchResource, noTopic, ResourceType } from '../config-resource.ts';
import type { ResourceName } from '../config-resource.ts';
import { defineHandler } from '../handler.ts';
import { GRANTED, type Refusal } from '../refusal.ts';

interface WantedResource extends ResourceName {
  /** Null = all. */
  keys: string[] | null;
}

interface DescribeConfigsRequest {
  resources: WantedResource[];
  synonyms: boolean;
  documentation: boolean;
}

interface Described extends Refusal {
  resource: WantedResource;
  lines: readonly ConfigLine[];
}

export const describeConfigs = defineHandler<DescribeConfigsRequest>({
  key: 32,
  name: 'DescribeConfigs',
  min: 1,
  max: 4,
  flexibleFrom: 4,

  decode(reader, version) {
    const resources = reader.array((r) => {
      const type = r.int8();
      const name = r.string();
      const keys = r.nullableArray((each) => each.string());
      r.tags();
      return { type, name, keys };
    });
    const synonyms = reader.bool();
    const documentation = version >= 3 ? reader.bool() : false;
    reader.tags();
    return { resources, synonyms, documentation };
  },

  handle({ resources, synonyms, documentation }, call) {
    const described = resources.map((resource) => describe(call, resource));
    call.reply((writer) => {
      writer.int32(0);
      writer.array(described, (w, { resource, error, text, lines }) => {
        w.int16(error).nullableString(text).int8(resource.type).string(resource.name);
        writeConfigs(w, lines, call.version, synonyms, documentation);
        w.tags();
      });
      writer.tags();
    });
  },
});

function describe(call: Call, resource: WantedResource): Described {
  const { type, name, keys } = resource;
  const { node } = call;
  const chosen = (lines: ConfigLine[]): Described => ({
    ...GRANTED,
    resource,
    lines: keys === null ? lines : lines.filter((line) => keys.includes(line.name)),
  });
  const refused = (refusal: Refusal): Described => ({ ...refusal, resource, lines: [] });
  if (type === ResourceType.Topic) {
    const topic = node.topic(name);
    return topic === undefined
      ? refused(noTopic(node, name))
      : chosen(topicConfigLines(topic.config));
  }
  if (type !== ResourceType.Broker) return refused(noSuchResource(resource));
  const complaint = brokerNameComplaint(resource);
  if (complaint !== null) return refused(complaint);
  // The empty name is what all brokers were told while they run: nothing.
  return chosen(name === '' ? [] : brokerConfig(node, node.endpoint(call.peer)));
}
