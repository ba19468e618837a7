/**
 * AlterConfigs (33): all settings of a resource at once; what is not named goes back to its default.
 *
 * v2: flexible
 */
import { alterResource, type ResourceName } from '../config-resource.ts';
import { defineHandler } from '../handler.ts';
import { writeAltered } from './incremental-alter-configs.ts';

interface Replacement extends ResourceName {
  settings: [name: string, value: string | null][];
}

interface AlterConfigsRequest {
  resources: Replacement[];
  validateOnly: boolean;
}

export const alterConfigs = defineHandler<AlterConfigsRequest>({
  key: 33,
  name: 'AlterConfigs',
  min: 0,
  max: 2,
  flexibleFrom: 2,

  decode(reader) {
    const resources = reader.array((r) => {
      const type = r.int8();
      const name = r.string();
      const settings = r.array((each): [string, string | null] => {
        const setting = each.string();
        const value = each.nullableString();
        each.tags();
        return [setting, value];
      });
      r.tags();
      return { type, name, settings };
    });
    const validateOnly = reader.bool();
    reader.tags();
    return { resources, validateOnly };
  },

  handle({ resources, validateOnly }, call) {
    const results = resources.map((resource) => ({
      resource,
      ...alterResource(call.node, resource, validateOnly, (set) => {
        const changes = new Map<string, string | null>();
        for (const name of set.keys()) changes.set(name, null);
        for (const [name, value] of resource.settings) changes.set(name, value);
        return [...changes];
      }),
    }));
    writeAltered(call, results);
  },
});
