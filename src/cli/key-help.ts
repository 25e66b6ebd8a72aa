import { keyGroupAt, keyGroups, type KeyGroup, type KeyRow } from '../config/describe.js';
import { nearestHint } from '../config/nearest.js';
import type { Verb } from '../config/read-settings.js';
import { RankDistillmError } from '../errors.js';

/** The word after `--help`, if there is one: `fit --help trainer`. */
export function helpTopic([verb = '', ...args]: readonly string[]): { verb: Verb; topic: string } | undefined {
  if (!/^(?:fit|re[-_]rank)$/.test(verb)) return undefined;
  const index = args.findIndex((argument) => argument === '--help' || argument === '-h');
  const topic = index === -1 ? undefined : args[index + 1];
  if (topic === undefined || topic.startsWith('-')) return undefined;
  return { verb: verb === 'fit' ? 'fit' : 're_rank', topic };
}

/** The sections of a configuration that a verb reads, for its `--help`. */
export function sectionsHelp(verb: Verb): string {
  const rows = keyGroups()[0]!.rows.filter((row) => isRead(row, verb));
  const lines = rows.map(({ key, doc }) => `  ${key.padEnd(16)}${doc}`);
  return `\nKeys of a configuration (${verb} --help trainer lists those of trainer):\n${lines.join('\n')}\n`;
}

/**
 * The keys of a section, or the arguments of a class, each with type, default and meaning.
 *
 * @param topic a path such as `data.init_args`, or the name of a class
 */
export function keysHelp(verb: Verb, topic: string): string {
  const groups = keyGroups();
  const group = groups.find(({ owner }) => owner === topic) ?? keyGroupAt(topic);
  if (!group) {
    const known = groups.flatMap(({ owner }) => (owner === '' ? [] : [owner]));
    throw new RankDistillmError('bad_input', `--help ${topic}: no section, key or class of this name`, {
      hint: nearestHint(topic, known, 'name'),
    });
  }
  return textOf(group, verb);
}

function textOf({ owner, doc, rows, classes }: KeyGroup, verb: Verb): string {
  const read = rows.filter((row) => isRead(row, verb));
  const lines = read.flatMap((row) => [
    `  ${row.key}`,
    `      ${row.type}${row.default === '' ? '' : row.default === 'required' ? '; required' : `; default ${row.default}`}`,
    ...(row.doc === '' ? [] : [`      ${row.doc}`]),
  ]);
  const unread = rows.filter((row) => !isRead(row, verb)).map(({ key }) => key);
  return [
    doc === '' ? owner : `${owner}: ${doc}`,
    ...lines,
    ...(classes ? [`Classes (${verb} --help <class> lists the arguments of one):`] : []),
    ...[...(classes ?? [])].map(([name, sentence]) => `  ${name}: ${sentence}`),
    ...(unread.length > 0 ? [`Accepted, and without effect on ${verb}: ${unread.join(', ')}.`] : []),
    '',
  ].join('\n');
}

function isRead({ use }: KeyRow, verb: Verb): boolean {
  return use === 'used' || use === verb;
}
