/**
 * How fast pairs become token ids, how long the event loop is held up by it, and how much memory a long run takes.
 *
 *   node --import tsx scripts/bench/tokenize.ts [model folder] [pairs, default 1000000]
 *
 * Texts are made up from the vocabulary of the model (default: the small one of the tests), 60 words a document.
 * `cold` tokenizes every text, `warm` finds every text in the cache, `long run` asks for topic after topic with
 * documents from a collection larger than the cache.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { createPairTokenizer } from '../../src/tokenize/pair-tokenizer.js';
import type { TextPair } from '../../src/tokenize/encoded-pair.js';
import { anonymousMiB } from './memory-use.js';

const DOCUMENTS = 200_000;
const WORDS = 60;
const DEPTH = 100;
const WINDOW = 4096;

const folder = process.argv[2] ?? fileURLToPath(new URL('../../test/tokenize/golden/uncased-vocab', import.meta.url));
const pairsOfRun = Number(process.argv[3] ?? 1_000_000);

let state = 20261124;
function random(below: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

function vocabulary(): string[] {
  const words = readFileSync(`${folder}/vocab.txt`, 'utf8').split('\n');
  return words.filter((word) => /^[a-z]{2,}$/.test(word));
}

/** Texts are made again from their number each time they are asked for, as a collection reads them from its file. */
function text(words: string[], seed: number, length: number): string {
  state = (seed + 1) * 2654435761;
  return Array.from({ length }, () => words[random(words.length)]).join(' ');
}

async function main(): Promise<void> {
  const words = vocabulary();
  const tokenizer = await createPairTokenizer({
    folder,
    encoder: {
      vocabSize: 1 << 20,
      maxPositions: 512,
      embeddingSize: 8,
      hiddenSize: 8,
      layers: 1,
      heads: 1,
      intermediateSize: 8,
      typeVocabSize: 2,
      layerNormEps: 1e-12,
      activation: 'gelu',
    },
    pairEncoding: { kind: 'lightning-ir', queryLength: 32, docLength: 256, maxLength: 512 },
  });

  const sample: TextPair[] = Array.from({ length: 20_000 }, (_, i) => ({
    query: text(words, Math.floor(i / DEPTH), 6),
    document: text(words, 1e6 + i, WORDS),
  }));
  for (const name of ['cold', 'warm']) {
    const cpu = process.cpuUsage();
    const start = performance.now();
    let tokens = 0;
    for (let at = 0; at < sample.length; at += WINDOW) {
      for (const pair of await tokenizer.encodePairs(sample.slice(at, at + WINDOW))) tokens += pair.inputIds.length;
    }
    const seconds = (performance.now() - start) / 1e3;
    const used = process.cpuUsage(cpu);
    console.log(
      `${name}: ${Math.round(sample.length / seconds)} pairs/s, ${Math.round(tokens / seconds)} tokens/s, ` +
        `${((used.user + used.system) / 1e6).toFixed(2)} s of CPU in ${seconds.toFixed(2)} s`,
    );
  }
  sample.length = 0;

  const delay = monitorEventLoopDelay({ resolution: 1 });
  const before = anonymousMiB();
  let peak = before;
  let seconds = 0;
  for (let done = 0; done < pairsOfRun; done += WINDOW) {
    const window: TextPair[] = [];
    for (let i = done; i < Math.min(done + WINDOW, pairsOfRun); i++) {
      const topic = Math.floor(i / DEPTH);
      window.push({
        query: text(words, topic, 6),
        document: text(words, 1e6 + ((topic * 7919 + i * 104729) % DOCUMENTS), WORDS),
      });
    }
    await setTimeout(5); // what making the texts held up is not the tokenizer's
    delay.enable();
    const start = performance.now();
    await tokenizer.encodePairs(window);
    seconds += (performance.now() - start) / 1e3;
    delay.disable();
    peak = Math.max(peak, anonymousMiB());
  }
  const [p99, max] = [delay.percentile(99), delay.max].map((value) => (value / 1e6).toFixed(1));
  console.log(
    `long run: ${pairsOfRun} pairs in ${seconds.toFixed(0)} s; event loop held up ${p99} ms (99th percentile), ${max} ms at most; ` +
      `RssAnon ${before.toFixed(0)} MiB before, ${peak.toFixed(0)} MiB at its peak`,
  );
}

await main();
