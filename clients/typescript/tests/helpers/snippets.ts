import { build } from 'esbuild';
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const PACKAGE = path.resolve(import.meta.dirname, '../../..');

/**
 * The examples of a page that use this package, by the path in their first line. They are checked
 * by the compiler first, as strictly as the package itself.
 */
export class Snippets {
  readonly names: string[];
  /** How many lines of code the examples have together. */
  readonly lines: number;
  readonly #folder: string;

  private constructor(folder: string, names: string[], lines: number) {
    this.#folder = folder;
    this.names = names;
    this.lines = lines;
  }

  /** @param page - by its path from the folder of the package. */
  static async of(page: string): Promise<Snippets> {
    const text = await readFile(path.join(PACKAGE, page), 'utf8');
    const blocks = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code ?? '');
    const codes = blocks.filter((code) => code.includes("'message-tracker"));
    const folder = path.join(PACKAGE, 'build/snippets', path.basename(page, '.md'));
    await rm(folder, { recursive: true, force: true });
    const names: string[] = [];
    for (const code of codes) {
      const name = /^\/\/ (\S+\.ts)\n/.exec(code)?.[1];
      if (!name) throw new Error(`An example doesn't begin with its path:\n${code}`);
      names.push(name);
      await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
      await writeFile(path.join(folder, name), code);
    }
    await check(folder, names);
    return new Snippets(folder, names, linesIn(codes));
  }

  /** Loads an example. What it takes from `@/` stands in tests/app. */
  async load(name: string): Promise<any> {
    const outfile = path.join(this.#folder, `${name}.mjs`);
    await build({
      entryPoints: [path.join(this.#folder, name)],
      bundle: true,
      external: ['message-tracker', 'express'],
      alias: { '@': path.join(PACKAGE, 'tests/app') },
      format: 'esm',
      platform: 'node',
      outfile,
    });
    return import(outfile);
  }
}

async function check(folder: string, names: string[]): Promise<void> {
  const tsconfig = {
    extends: path.join(PACKAGE, 'tsconfig.json'),
    compilerOptions: {
      noEmit: true,
      rootDir: PACKAGE,
      // As in Next.js.
      lib: ['DOM', 'ESNext'],
      module: 'ESNext',
      moduleResolution: 'Bundler',
      paths: { '@/*': [path.join(PACKAGE, 'tests/app/*')] },
    },
    files: names,
    include: [],
  };
  await writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify(tsconfig));
  const tsc = path.join(PACKAGE, 'node_modules/.bin/tsc');
  await promisify(execFile)(tsc, ['-p', folder]).catch(({ stdout }) => {
    throw new Error(String(stdout));
  });
}

function linesIn(codes: string[]): number {
  return codes
    .join('')
    .split('\n')
    .filter((line) => line.trim() && !line.startsWith('//')).length;
}
