/**
 * Access policies: the JSON documents of IAM that AddPermission and the attribute Policy attach to a
 * queue. A statement counts where its principal is somebody this broker knows: everybody (`*`), the
 * broker's own account, or one of its users (`arn:aws:iam::…:user/name`). A Deny wins over all; an
 * Allow lets a user in whose own permissions would not.
 *
 * Conditions cannot be evaluated here: a statement that has one neither denies nor allows, and
 * whoever sets it is warned of. Accounts, roles and services that do not exist here match nobody.
 */
import { SqsError } from './errors.ts';

const USER = /^arn:aws[a-z-]*:iam::\d*:user\/(?:.*\/)?([^/]+)$/;
const ROOT = /^arn:aws[a-z-]*:iam::(\d{12}):root$/;
const VERSIONS: ReadonlySet<unknown> = new Set([undefined, '2008-10-17', '2012-10-17']);

type Json = Record<string, unknown>;

interface Statement {
  readonly allows: boolean;
  readonly principals: readonly string[];
  /** NotPrincipal: everybody but those. */
  readonly exceptPrincipals: boolean;
  readonly actions: readonly string[];
  readonly exceptActions: boolean;
  readonly resources: readonly string[];
}

export interface Access {
  readonly user: string;
  /** Such as SendMessage; a batch is what its single one is. */
  readonly action: string;
  readonly account: string;
  readonly queueArn: string;
}

/** Of a statement, as far as they are known here; NotResource is not. */
const MEMBERS: ReadonlySet<string> = new Set([
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'Condition',
]);

/** The document, checked. Throws SqsError InvalidAttributeValue. */
export function checkPolicy(text: string): Json {
  try {
    const document: unknown = JSON.parse(text);
    if (isJson(document) && VERSIONS.has(document['Version'])) {
      if (statementsOf(document).every(isStatement)) return document;
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new SqsError('InvalidAttributeValue', 'Invalid value for the parameter Policy.');
}

/** A document may have one statement instead of a list of them. */
export function statementsOf({ Statement }: Json): readonly Json[] {
  if (Statement === undefined) return [];
  return Array.isArray(Statement) ? (Statement as Json[]) : [Statement as Json];
}

/** Names of those that nobody here can evaluate. */
export function conditionalStatements(text: string): string[] {
  return statementsOf(checkPolicy(text))
    .filter(({ Condition }) => Condition !== undefined)
    .map(({ Sid }) => (typeof Sid === 'string' ? Sid : ''));
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isStatement(value: unknown): boolean {
  if (!isJson(value) || !Object.keys(value).every((name) => MEMBERS.has(name))) return false;
  const { Effect, Principal, NotPrincipal, Action, NotAction, Resource } = value;
  if (Principal !== undefined && NotPrincipal !== undefined) return false;
  if (Action !== undefined && NotAction !== undefined) return false;
  const principal = Principal ?? NotPrincipal;
  return (
    (Effect === 'Allow' || Effect === 'Deny') &&
    (principal === '*' || (isJson(principal) && Object.values(principal).every(isTexts))) &&
    isTexts(Action ?? NotAction) &&
    (Resource === undefined || isTexts(Resource))
  );
}

function isTexts(value: unknown): boolean {
  return (
    typeof value === 'string' ||
    (Array.isArray(value) && value.every((item) => typeof item === 'string'))
  );
}

function texts(value: unknown): readonly string[] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : (value as string[]);
}

/**
 * Whether a text is what a pattern says, with `*` and `?`; whole, in any case. Only the last `*` is
 * ever tried again, so it takes at most the product of both lengths: no regular expression does.
 */
function fits(cased: string, casedText: string): boolean {
  const pattern = cased.toLowerCase();
  const text = casedText.toLowerCase();
  let at = 0;
  let star = -1;
  let starText = 0;
  for (let i = 0; i < text.length;) {
    const character = pattern[at];
    if (character === '*') {
      star = at++;
      starText = i;
    } else if (character === '?' || character === text[i]) {
      at++;
      i++;
    } else {
      if (star < 0) return false;
      at = star + 1;
      i = ++starText;
    }
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}

export class AccessPolicy {
  readonly #statements: readonly Statement[];

  /** `text` was checked when it was set. */
  constructor(text: string) {
    this.#statements = statementsOf(checkPolicy(text))
      .filter(({ Condition }) => Condition === undefined)
      .map(readStatement);
  }

  /** Null: the policy says nothing of it. */
  decides(access: Access): boolean | null {
    let allowed: boolean | null = null;
    for (const statement of this.#statements) {
      if (!matches(statement, access)) continue;
      if (!statement.allows) return false;
      allowed = true;
    }
    return allowed;
  }
}

function readStatement(json: Json): Statement {
  const { Principal, NotPrincipal, Action, NotAction, Resource } = json;
  const principal = Principal ?? NotPrincipal;
  return {
    allows: json['Effect'] === 'Allow',
    principals: isJson(principal) ? texts(principal['AWS']) : ['*'],
    exceptPrincipals: Principal === undefined,
    actions: texts(Action ?? NotAction),
    exceptActions: Action === undefined,
    resources: Resource === undefined ? ['*'] : texts(Resource),
  };
}

function matches(statement: Statement, { user, action, account, queueArn }: Access): boolean {
  const { principals, exceptPrincipals, actions, exceptActions, resources } = statement;
  const isPrincipal = principals.some((principal) => names(principal, user, account));
  if (isPrincipal === exceptPrincipals) return false;
  const called = `sqs:${action.replace(/Batch$/, '')}`;
  const isAction = actions.some((it) => fits(it, called) || fits(it, `sqs:${action}`));
  if (isAction === exceptActions) return false;
  return resources.some((it) => fits(it, queueArn));
}

function names(principal: string, user: string, account: string): boolean {
  if (principal === '*' || principal === account) return true;
  if (ROOT.exec(principal)?.[1] === account) return true;
  return USER.exec(principal)?.[1] === user;
}
