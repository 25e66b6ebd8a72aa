// usage: npm run bench -- [forward | train] [options]; each says with --help what it takes.
export {};

const benches: Readonly<Record<string, () => Promise<unknown>>> = {
  forward: () => import('./forward.js'),
  train: () => import('./train.js'),
};

const name = process.argv[2]?.startsWith('-') ? 'forward' : (process.argv[2] ?? 'forward');
const bench = benches[name];
if (!bench) throw new Error(`${name}: no such bench; there are ${Object.keys(benches).join(', ')}`);
await bench();
