import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import * as esm from 'message-tracker';

const PACKAGE = path.resolve(import.meta.dirname, '../..');
const MOST_BYTES = 8 * 1024;

/** Runs a program of the pinned ones; throws with what it printed if it fails. */
async function run(program: string, ...args: string[]): Promise<void> {
  const file = path.join(PACKAGE, 'node_modules/.bin', program);
  await promisify(execFile)(file, args, { cwd: PACKAGE }).catch(({ stdout, stderr }) => {
    throw new Error(`${program} failed:\n${stdout}${stderr}`);
  });
}

test('publint has nothing to say', () => run('publint', '--strict'));

test('every kind of module resolution finds the types', () => run('attw', '--pack', '.'));

test('all files are formatted', () => run('prettier', '--check', '.'));

test('the core knows nothing but what all runtimes have', () =>
  run('tsc', '-p', 'tsconfig.web.json'));

test('CommonJS gets the same exports', () => {
  const cjs = createRequire(import.meta.url)('message-tracker');
  assert.deepEqual(Object.keys(cjs).sort(), Object.keys(esm).sort());
  assert.ok(cjs.createTracker({ url: 'http://tracker.test', token: 'a-token' }));
});

test('the core is at most 8 KiB, minified and packed', async (t) => {
  const { outputFiles } = await build({
    entryPoints: [path.join(PACKAGE, 'dist/esm/index.js')],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'neutral',
    write: false,
  });
  const [file] = outputFiles;
  assert.ok(file);
  const { length } = gzipSync(file.contents);
  t.diagnostic(`${length} bytes`);
  assert.ok(length <= MOST_BYTES, `${length} bytes`);
});

test('the package has no dependencies, and its files are those of the build', async () => {
  const manifest = JSON.parse(await readFile(path.join(PACKAGE, 'package.json'), 'utf8'));
  assert.equal(manifest.dependencies, undefined);
  for (const version of Object.values<string>(manifest.devDependencies)) {
    assert.match(version, /^\d+\.\d+\.\d+$/);
  }
  assert.deepEqual(manifest.files, ['dist']);
});

test('the types are those of the service', async () => {
  const { freshTypes } = await import(path.join(PACKAGE, 'scripts/fresh-types.mjs'));
  const checkedIn = await readFile(path.join(PACKAGE, 'src/openapi.ts'), 'utf8');
  const isFresh = checkedIn === (await freshTypes());
  assert.ok(isFresh, 'The API has changed: run `npm run types`, and look at what that changes.');
});
