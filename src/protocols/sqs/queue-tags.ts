/** Tags: what people note on a queue. They mean nothing to the broker. */
import { SqsError } from './errors.ts';
import { Annotation, type QueueDraft } from './queue-draft.ts';

const TAGS_MAX = 50;
const KEY_LENGTH_MAX = 128;
const VALUE_LENGTH_MAX = 256;

type Tags = Readonly<Record<string, string>>;

/** No prototype: every key is only a key. */
export function tagsOf(annotations: Readonly<Record<string, string>>): Record<string, string> {
  const text = annotations[Annotation.Tags];
  const tags = Object.create(null) as Record<string, string>;
  return text === undefined ? tags : Object.assign(tags, JSON.parse(text) as Tags);
}

/** A key that is there gets the new value. Throws SqsError. */
export function withTags(draft: QueueDraft, added: Tags, queueName: string): void {
  const keys = Object.keys(added);
  if (keys.length === 0) return;
  const tags = tagsOf(draft.annotations);
  for (const key of keys) {
    checkTag(key, added[key]!);
    tags[key] = added[key]!;
  }
  if (Object.keys(tags).length > TAGS_MAX) {
    throw invalid(`Too many tags added for queue ${queueName}.`);
  }
  draft.annotations[Annotation.Tags] = JSON.stringify(tags);
}

/** Keys that are not there are no mistake. */
export function withoutTags(draft: QueueDraft, keys: readonly string[]): void {
  const tags = tagsOf(draft.annotations);
  for (const key of keys) delete tags[key];
  if (Object.keys(tags).length === 0) delete draft.annotations[Annotation.Tags];
  else draft.annotations[Annotation.Tags] = JSON.stringify(tags);
}

function checkTag(key: string, value: string): void {
  if (key.length < 1 || key.length > KEY_LENGTH_MAX) {
    throw invalid(`Tag keys must be between 1 and ${KEY_LENGTH_MAX} characters in length.`);
  }
  if (value.length > VALUE_LENGTH_MAX) {
    throw invalid(`Tag values must be between 0 and ${VALUE_LENGTH_MAX} characters in length.`);
  }
  if (/^aws:/i.test(key)) throw invalid("Tag keys must not begin with 'aws:'.");
}

function invalid(message: string): SqsError {
  return new SqsError('InvalidParameterValueException', message);
}
