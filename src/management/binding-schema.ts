/** The form of a binding in JSON: in the configuration file and in requests. */
import * as z from 'zod';

const NAMED = 'names one of exchange, topic and queue';

const thing = z
  .strictObject({
    exchange: z.string().optional(),
    topic: z.string().min(1).optional(),
    queue: z.string().min(1).optional(),
  })
  .refine((it) => Object.values(it).filter((name) => name !== undefined).length === 1, NAMED);

export const bindingSchema = z.strictObject({
  from: thing,
  to: thing,
  key: z.string().optional(),
  as: z.string().optional(),
  arguments: z.record(z.string(), z.json()).optional(),
  namespace: z.string().min(1).optional(),
});
