import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StorageRun } from './storage-run.ts';

/** POSTHORN_SEEDS=20000 for a long run, POSTHORN_SEED=n for one seed. */
const only = process.env['POSTHORN_SEED'];
const count = Number(process.env['POSTHORN_SEEDS'] ?? 60);
const seeds = only === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(only)];

test(`storage survives ${seeds.length} seeded lives of crashes and faults`, async () => {
  let crashes = 0;
  let acknowledged = 0;
  for (const seed of seeds) {
    try {
      const result = await new StorageRun(seed).run(4, 60);
      crashes += result.crashes;
      acknowledged += result.acknowledged;
    } catch (error) {
      throw new Error(`seed ${seed} failed; POSTHORN_SEED=${seed} runs it alone`, { cause: error });
    }
  }
  if (only !== undefined) return;
  assert.ok(crashes >= seeds.length, 'there were hardly any crashes');
  assert.ok(acknowledged > seeds.length * 20, 'there was hardly anything to lose');
});
