/**
 * Runs named scenarios one after another; prints a result line for each, then `done`. TARGET,
 * KAFKA_PORT, AMQP_PORT and EXPECT_<name> come from the environment.
 */
export const kafka = `localhost:${process.env.KAFKA_PORT ?? 9092}`;
export const amqpUrl = `amqp://guest:guest@localhost:${process.env.AMQP_PORT ?? 5672}`;

const scenarios = [];
let count = 0;

export function scenario(name, run) {
  scenarios.push({ name, run });
}

export function unique(name) {
  count += 1;
  return `js-${name}-${Date.now().toString(36)}${count}`;
}

/** Calls `check` until it gives something true; gives that. */
export async function eventually(check, withinMs = 20_000) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const result = await check();
    if (result) return result;
    if (Date.now() > deadline) throw new Error(`still ${result} after ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function main() {
  let failed = 0;
  for (const { name, run } of scenarios) {
    if (!name.includes(process.env.SCENARIO ?? '')) continue;
    const startedAt = Date.now();
    let timer;
    const tooLong = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('no end after 60 s')), 60_000);
    });
    let problem;
    try {
      await Promise.race([run(), tooLong]);
    } catch (error) {
      problem = error?.stack ?? String(error);
      if (error?.errors) problem += `\n${error.errors.map((e) => e.message).join('\n')}`;
    } finally {
      clearTimeout(timer);
    }
    console.log(`${problem === undefined ? 'ok' : 'not ok'} ${Date.now() - startedAt} ${name}`);
    if (problem !== undefined) {
      failed += 1;
      console.log(
        problem
          .split('\n')
          .slice(0, 14)
          .map((line) => `    ${line}`)
          .join('\n'),
      );
    }
  }
  console.log('done');
  process.exit(failed === 0 ? 0 : 1);
}
