import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { EdgeVM } from '@edge-runtime/vm';
import { build } from 'esbuild';
import { bodyOf, signatureOf, status } from './helpers/meta.js';
import { APP_SECRET, Service, TOKEN } from './helpers/service.js';

const PACKAGE = path.resolve(import.meta.dirname, '../..');
const BODY = bodyOf([status('wamid.smoke.0')]);
const META = { body: BODY, signature: signatureOf(BODY), appSecret: APP_SECRET };
const EXPECTED = {
  live: true,
  sent: 2_500,
  logs: 2_500,
  webhook: 200,
  forged: 403,
  delivered: 'delivered',
  aborted: 'AbortError',
  refused: 'not_found',
};

/** Where an npm package keeps a program for this machine, without its install script. */
function program(name: string, candidates: Record<string, string>): string {
  const file = candidates[`${process.platform}-${process.arch}`];
  if (!file) throw new Error(`${name} has no program for this machine.`);
  return path.join(PACKAGE, 'node_modules', file);
}

const RUNTIMES = {
  Node: () => [process.execPath],
  Deno: () => [
    program('deno', {
      'linux-x64': '@deno/linux-x64-glibc/deno',
      'linux-arm64': '@deno/linux-arm64-glibc/deno',
      'darwin-x64': '@deno/darwin-x64/deno',
      'darwin-arm64': '@deno/darwin-arm64/deno',
    }),
    'run',
    '--allow-all',
    '--no-lock',
  ],
  Bun: () => [
    program('bun', {
      'linux-x64': '@oven/bun-linux-x64/bin/bun',
      'linux-arm64': '@oven/bun-linux-aarch64/bin/bun',
      'darwin-x64': '@oven/bun-darwin-x64/bin/bun',
      'darwin-arm64': '@oven/bun-darwin-aarch64/bin/bun',
    }),
    'run',
  ],
};

for (const [name, command] of Object.entries(RUNTIMES)) {
  test(`everything works in ${name}`, { timeout: 60_000 }, async (t) => {
    const service = await Service.start();
    t.after(() => service.stop());
    const [file = '', ...args] = [...command(), path.join(PACKAGE, 'tests/smoke-main.mjs')];
    const given = { SMOKE_URL: service.url, SMOKE_TOKEN: TOKEN, SMOKE_META: JSON.stringify(META) };
    const env = { ...process.env, ...given };
    const { stdout } = await promisify(execFile)(file, args, { env, timeout: 50_000 });
    assert.deepEqual(JSON.parse(stdout), EXPECTED);
  });
}

test('everything works in the edge runtime of Vercel', { timeout: 60_000 }, async (t) => {
  const service = await Service.start();
  t.after(() => service.stop());
  const { outputFiles } = await build({
    stdin: {
      contents: `
        import * as library from './dist/esm/index.js';
        import { smoke } from './tests/smoke.mjs';
        globalThis.run = (...given) => smoke(library, ...given);`,
      resolveDir: PACKAGE,
    },
    bundle: true,
    format: 'iife',
    platform: 'neutral',
    write: false,
  });
  const edge = new EdgeVM({ initialCode: outputFiles[0]?.text ?? '' });
  const given = JSON.stringify([service.url, TOKEN, META]);
  const found = await edge.evaluate(`run(...${given}).then(JSON.stringify)`);
  assert.deepEqual(JSON.parse(found), EXPECTED);
});
