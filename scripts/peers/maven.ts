/** Maven artifacts with their dependencies, as a folder of jars in the cache. */
import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { installOnce } from './cache.ts';
import { run } from './command.ts';

/** Copies everything `pomFile` lists into `.cache/<name>` and gives that folder. */
export function copyMavenArtifacts(name: string, pomFile: string): Promise<string> {
  const key = createHash('sha256').update(readFileSync(pomFile)).digest('hex');
  return installOnce(name, key, async (folder) => {
    // Maven resolves relative paths against the pom, so it gets its own copy.
    const pom = join(folder, 'pom.xml');
    copyFileSync(pomFile, pom);
    const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
    await run('mvn', ['-q', '-B', '-f', pom, plugin, `-DoutputDirectory=${folder}`]);
    rmSync(pom);
  });
}
