// For Node, Deno and Bun: runs the smoke test with the arguments in the environment.
import * as library from '../dist/esm/index.js';
import { smoke } from './smoke.mjs';

const { SMOKE_URL, SMOKE_TOKEN, SMOKE_META } = process.env;
console.log(JSON.stringify(await smoke(library, SMOKE_URL, SMOKE_TOKEN, JSON.parse(SMOKE_META))));
