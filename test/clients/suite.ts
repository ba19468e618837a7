/**
 * A suite is what one client does against one target: either a program of that client's language
 * that prints its results, or scenarios run from here by shelling out.
 */
import { run } from '../../scripts/peers/index.ts';
import { parseResults, type Result } from './results.ts';
import type { Target } from './targets.ts';

export interface Suite {
  client: string;
  run(target: Target): Promise<Result[]>;
}

export type Scenario = [name: string, check: () => Promise<void>];

const programTimeoutMs = 240_000;

/** A program that prints its own results. */
export function programSuite(
  client: string,
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Suite {
  return {
    client,
    run: async (target) => {
      const outcome = await run(command, args, {
        cwd: options.cwd,
        env: { ...options.env, ...target.env },
        timeoutMs: programTimeoutMs,
        allowFailure: true,
      }).catch((error: Error) => ({ code: -1, stdout: '', stderr: error.message }));
      const { results, done } = parseResults(outcome.stdout);
      const complete = results.map((result) => ({ client, target: target.name, ...result }));
      const failed = complete.some((result) => result.problem !== undefined);
      if (!done || (outcome.code !== 0 && !failed)) {
        const tail = `${outcome.stdout}\n${outcome.stderr}`
          .trim()
          .split('\n')
          .slice(-15)
          .join('\n');
        const problem = `ended with ${outcome.code} before it was done:\n${tail}`;
        complete.push({ client, target: target.name, scenario: '(program)', tookMs: 0, problem });
      }
      return complete;
    },
  };
}

/** Scenarios written here, one after another. */
export function scenarioSuite(client: string, scenarios: (target: Target) => Scenario[]): Suite {
  return {
    client,
    run: async (target) => {
      const results: Result[] = [];
      for (const [scenario, check] of scenarios(target)) {
        if (!scenario.includes(process.env.SCENARIO ?? '')) continue;
        const startedAt = Date.now();
        let problem: string | undefined;
        try {
          await check();
        } catch (error) {
          problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
        }
        const tookMs = Date.now() - startedAt;
        results.push({ client, target: target.name, scenario, tookMs, problem });
      }
      return results;
    },
  };
}

/** The same suite for one target alone. */
export function onlyOn(name: Target['name'], suite: Suite): Suite {
  return {
    client: suite.client,
    run: (target) => (target.name === name ? suite.run(target) : Promise.resolve([])),
  };
}
