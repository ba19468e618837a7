/** The subject space: the topic exchange, whose routing keys are subjects. */
import { AddressCache, type AddressReader } from '#core/routing/address-cache.ts';
import type { Namespace } from '#core/namespace.ts';
import type { SubjectSyntax } from '#core/routing/subject-trie.ts';
import { textOf } from './arguments.ts';
import { hasWords } from './subject.ts';

export const TOPIC_EXCHANGE = 'amq.topic';
/** `#` is a word like any other. */
export const NATS_SYNTAX: SubjectSyntax = { separator: '.', one: '*', many: null, rest: '>' };

const SLOTS = 8192;
const READER: AddressReader = { exchange: () => TOPIC_EXCHANGE, routingKey: textOf };

/** Subject bytes → route. One with an empty word leads nowhere, also where AMQP has bindings. */
export function subjectCache(namespace: Namespace): AddressCache {
  const resolver = {
    resolve: (exchange: string, subject: string) =>
      hasWords(subject) ? namespace.resolve(exchange, subject) : null,
  };
  return new AddressCache(resolver, READER, SLOTS);
}
