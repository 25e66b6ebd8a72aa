import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { PeerAnswer, PeerHello, PeerOptions, PeerPair, PeerRequest } from './peer-options.js';

export interface LoadedPeer extends PeerHello {
  score: (pairs: readonly PeerPair[], batch: number) => Promise<ArrayLike<number>>;
  peakGpuMiB?: () => number | undefined;
}

/** serve.py for contenders that run on Node.js: loads once, then answers each line of stdin with a line of JSON. */
export async function serve(load: (options: PeerOptions) => Promise<LoadedPeer>): Promise<void> {
  const options = JSON.parse(process.argv[2]!) as PeerOptions;
  const pairs = JSON.parse(await readFile(options.pairs, 'utf8')) as PeerPair[];
  const answer = (value: PeerHello | PeerAnswer): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
  const { version, score, peakGpuMiB } = await load(options);
  answer({ version });
  for await (const line of createInterface({ input: process.stdin })) {
    const { count, batch } = JSON.parse(line) as PeerRequest;
    const start = performance.now();
    const scores = await score(pairs.slice(0, count), batch);
    const seconds = (performance.now() - start) / 1000;
    answer({ seconds, scores: Array.from(scores), peakGpuMiB: peakGpuMiB?.() });
  }
  process.exit(); // libraries keep threads that nobody ends
}
