import { extname } from 'node:path';
import { type Shard, shardOptions } from '../config/schema/shard.js';
import { SettingError } from '../config/setting-error.js';

/**
 * The topics of a shard: every `count`-th, so that shards are about equally long whatever the order of the topics.
 *
 * @param topics number of topics of the whole run
 * @returns indices of topics, ascending
 */
export function topicsOfShard(topics: number, { index, count }: Shard): number[] {
  return Array.from({ length: Math.ceil((topics - (index - 1)) / count) }, (_, i) => i * count + (index - 1));
}

/** The text `2/8`. Undefined if it is another one. */
export function parseShard(text: string): Shard | undefined {
  const [, index, count] = /^(\d{1,4})\/(\d{1,4})$/.exec(text) ?? [];
  return shardOptions.safeParse({ index: Number(index), count: Number(count) }).data;
}

/** @throws SettingError */
export function checkShard(shard: Shard): void {
  if (shard.index <= shard.count) return;
  throw new SettingError(['shard'], `there is no part ${shard.index} of ${shard.count}`, {
    hint: 'Parts are counted from 1: 1/8 to 8/8.',
  });
}

/** `dev.run` → `dev.shard-02-of-08.run` */
export function shardName(name: string, { index, count }: Shard): string {
  const digits = Math.max(2, String(count).length);
  const [part, of] = [index, count].map((number) => String(number).padStart(digits, '0'));
  const suffix = extname(name);
  return `${name.slice(0, name.length - suffix.length)}.shard-${part}-of-${of}${suffix}`;
}

/** The name of the whole run; undefined for a name without a shard. */
export function wholeName(name: string): string | undefined {
  const match = /^(.+)\.shard-\d{2,4}-of-\d{2,4}(\.[^.]*)?$/s.exec(name);
  return match ? `${match[1]}${match[2] ?? ''}` : undefined;
}
