/**
 * User: a name, what proves it, and what it may do. Permissions are RabbitMQ's: per namespace one
 * regular expression each for configure, write and read, matched anywhere in the resource's name;
 * the default exchange is `amq.default` there. Without an entry for a namespace it may not enter.
 */
import { BrokerError } from '#core/errors.ts';
import type {
  Identity,
  Permission,
  SubjectPermissions,
  SubjectRules,
} from '#core/authenticator.ts';

interface PermissionSettings {
  readonly configure: string;
  readonly write: string;
  readonly read: string;
}

interface RuleSettings {
  readonly allow?: readonly string[] | undefined;
  readonly deny?: readonly string[] | undefined;
}

interface SubjectSettings {
  readonly publish?: RuleSettings | undefined;
  readonly subscribe?: RuleSettings | undefined;
  readonly allowResponses?: boolean | undefined;
}

export interface UserSettings {
  readonly name: string;
  readonly password?: string | undefined;
  /** As hashPassword makes it. One of the two is there. */
  readonly passwordHash?: string | undefined;
  readonly tags?: readonly string[] | undefined;
  /** By namespace. Absent: everything, everywhere. */
  readonly permissions?: Readonly<Record<string, PermissionSettings>> | undefined;
  /** Instead of name and password, where a protocol has tokens. */
  readonly token?: string | undefined;
  /** Absent: what `permissions` say about the topic exchange. */
  readonly subjects?: SubjectSettings | undefined;
  /** May come from this machine only. */
  readonly loopbackOnly?: boolean | undefined;
}

const DEFAULT_EXCHANGE = 'amq.default';
const PERMISSIONS = ['configure', 'write', 'read'] as const;

export class User implements Identity {
  readonly name: string;
  readonly tags: readonly string[];
  readonly loopbackOnly: boolean;
  readonly subjects: SubjectPermissions | null;
  /** null = everything, everywhere. */
  readonly #permissions: ReadonlyMap<string, Readonly<Record<Permission, RegExp>>> | null;

  /** Throws BrokerError 'invalid-argument' when a pattern is none. */
  constructor(settings: UserSettings) {
    this.name = settings.name;
    this.tags = settings.tags ?? [];
    this.loopbackOnly = settings.loopbackOnly ?? false;
    this.subjects = settings.subjects ? subjectPermissions(settings.name, settings.subjects) : null;
    this.#permissions = settings.permissions
      ? new Map(
          Object.entries(settings.permissions).map(([namespace, patterns]) => [
            namespace,
            compiled(settings.name, patterns),
          ]),
        )
      : null;
  }

  mayEnter(namespace: string): boolean {
    return this.#permissions === null || this.#permissions.has(namespace);
  }

  may(permission: Permission, namespace: string, resource: string): boolean {
    if (this.#permissions === null) return true;
    const patterns = this.#permissions.get(namespace);
    if (!patterns) return false;
    return patterns[permission].test(resource === '' ? DEFAULT_EXCHANGE : resource);
  }
}

function subjectPermissions(user: string, settings: SubjectSettings): SubjectPermissions {
  return {
    publish: rules(user, settings.publish, isPattern),
    subscribe: rules(user, settings.subscribe, isSubscription),
    allowResponses: settings.allowResponses ?? false,
  };
}

function rules(
  user: string,
  settings: RuleSettings = {},
  isRule: (entry: string) => boolean,
): SubjectRules {
  const { allow = null, deny = [] } = settings;
  for (const pattern of [...(allow ?? []), ...deny]) {
    if (isRule(pattern)) continue;
    throw new BrokerError(
      'invalid-argument',
      `subjects of user ${user}: '${pattern}' is no subject; words are separated by single dots, ` +
        'with * for one word and > for all that follow',
      { user, pattern },
    );
  }
  return { allow, deny };
}

/** `subject`, or `subject queue-group`: a rule for that group alone. */
function isSubscription(entry: string): boolean {
  const [subject, queue, ...others] = entry.split(' ');
  return isPattern(subject!) && (queue === undefined || isPattern(queue)) && others.length === 0;
}

function isPattern(pattern: string): boolean {
  const words = pattern.split('.');
  const rest = words.indexOf('>');
  if (rest >= 0 && rest < words.length - 1) return false;
  return words.every((word) => word !== '' && !/\s/.test(word));
}

function compiled(
  user: string,
  settings: PermissionSettings,
): Readonly<Record<Permission, RegExp>> {
  const [configure, write, read] = PERMISSIONS.map((permission) => {
    try {
      // An empty pattern grants nothing, as in RabbitMQ; as a regular expression it would match.
      return settings[permission] === '' ? /^$/ : new RegExp(settings[permission]);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new BrokerError(
        'invalid-argument',
        `permission ${permission} of user ${user} is no regular expression: ${error.message}`,
        { user, permission },
      );
    }
  });
  return { configure: configure!, write: write!, read: read! };
}
