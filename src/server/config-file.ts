/**
 * The configuration file: JSON, checked against a schema. An unknown key is refused with the key
 * that was probably meant, a bad value with the place where it stands.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import * as z from 'zod';
import { UserTable } from '#auth/user-table.ts';
import { BrokerError } from '#core/errors.ts';
import { defaultLimits, type Limits } from '#core/limits.ts';
import { Sync } from '#core/log.ts';
import { bindingSchema } from '#management/binding-schema.ts';
import { describeIssues } from '#management/schema-issues.ts';
import { usageError } from './refused-start.ts';
import { LOG_LEVELS, PORT_NAMES, type PortName } from './settings.ts';

/** False: not listened on. */
const port = z.union([z.int().min(0).max(65_535), z.literal(false)], {
  error: 'a port is a number, 0 to 65535, or false',
});

function byPort<T extends z.ZodType>(value: T): Record<PortName, z.ZodOptional<T>> {
  const entries = PORT_NAMES.map((name) => [name, value.optional()]);
  return Object.fromEntries(entries) as Record<PortName, z.ZodOptional<T>>;
}

/** Every limit of the core by its own name. */
const limits = Object.fromEntries(
  Object.keys(defaultLimits(0)).map((name) => [name, z.int().min(1).optional()]),
) as Record<keyof Limits, z.ZodOptional<z.ZodInt>>;

const subjects = z.strictObject({
  allow: z.array(z.string()).optional(),
  deny: z.array(z.string()).optional(),
});

const permission = z.strictObject({ configure: z.string(), write: z.string(), read: z.string() });

const user = z.strictObject({
  name: z.string().min(1),
  password: z.string().optional(),
  /** Base64 of 4 bytes of salt and the SHA-256 of salt and password, as RabbitMQ has it. */
  passwordHash: z.string().optional(),
  tags: z.array(z.string()).optional(),
  /** By namespace; without them the user may do everything. */
  permissions: z.record(z.string(), permission).optional(),
  /** A bearer token, for protocols that have them. */
  token: z.string().min(1).optional(),
  /** NATS subjects the user may publish and subscribe to. */
  subjects: z
    .strictObject({
      publish: subjects.optional(),
      subscribe: subjects.optional(),
      allowResponses: z.boolean().optional(),
    })
    .optional(),
  loopbackOnly: z.boolean().optional(),
});

/** Paths are relative to the file's own folder. */
const tls = z.strictObject({
  cert: z.string().min(1).optional(),
  key: z.string().min(1).optional(),
  ca: z.string().min(1).optional(),
  required: z.union([z.boolean(), z.strictObject(byPort(z.boolean()))]).optional(),
  verifyClient: z.boolean().optional(),
});

const schema = z.strictObject({
  /** Relative to the file's own folder. */
  data: z.string().min(1).optional(),
  host: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).optional(),
  ports: z.strictObject(byPort(port)).optional(),
  tls: tls.optional(),
  sync: z.enum(Object.values(Sync)).optional(),
  log: z.strictObject({ level: z.enum(LOG_LEVELS).optional() }).optional(),
  limits: z.strictObject(limits).optional(),
  topics: z
    .strictObject({ partitions: z.int().min(1).optional(), autoCreate: z.boolean().optional() })
    .optional(),
  namespaces: z.array(z.string().min(1)).optional(),
  bindings: z.array(bindingSchema).optional(),
  users: z
    .array(user)
    .min(1, 'an empty list: name a user, or leave it out and there is guest')
    .optional(),
});

export type FileSettings = z.infer<typeof schema>;

export function readConfigFile(path: string): FileSettings {
  const result = schema.safeParse(parseJson(path));
  if (!result.success) {
    throw usageError(`--config ${path}: ${describeIssues(result.error, schema, 'the file')}`);
  }
  checkUsers(path, result.data.users);
  const fromFile = (it: string): string => resolve(dirname(path), it);
  const settings = result.data;
  if (settings.data !== undefined) settings.data = fromFile(settings.data);
  for (const name of ['cert', 'key', 'ca'] as const) {
    const file = settings.tls?.[name];
    if (file !== undefined) settings.tls![name] = fromFile(file);
  }
  return settings;
}

/** What no schema says: patterns, hashes, names that come twice. */
function checkUsers(path: string, users: FileSettings['users']): void {
  try {
    void new UserTable(users);
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    throw usageError(`--config ${path}: 'users': ${error.message}`);
  }
}

function parseJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw usageError(`--config ${path}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw usageError(`--config ${path}: is not JSON (${(error as SyntaxError).message})`);
  }
}
