import type { RandomStream } from '../../src/random/random-stream.js';
import { mutateBytes, pick } from './mutate.js';

/** Runs and judgements of a few short lines with ordinary and odd columns: what programs that write them get wrong. */
export interface OddFileOptions {
  /** Also bytes changed at random. Default true. */
  damaged?: boolean;
}

const NUMBERS = ['1.0', '2.', '.5', '1e1', '1E-3', '+2', '-0', '-1', '1e39', '1e-50', '16777217', '16777216', '0.1']
  .concat(['1e400', 'nan', 'inf', '-Infinity', '0x10', '1_000', '1,5', '12abc', 'x', '-', '1.5', '٣', '１'])
  .concat(['9007199254740993', '99999999999999999999', '0.30000000000000004', '0.3', '01', '1.0000000001']);
const IDS = [
  'D1',
  'é',
  'e\u0301',
  '\u00a0x',
  'x\u200b',
  '\u0130',
  '中',
  'a'.repeat(300),
  '__proto__',
  'constructor',
  '0',
].concat(['-1', 'd\u000bx', 'd\fy', 'd\rz', 'd"', "d'", 'd,1', '\ufeffd', '🦊', '\uffee', 'query_id', 'docno']);
const GAPS = ['\t', '  ', ' \t ', '\u000b', '\f', '\u00a0', ',', ''];
const LINE_ENDS = ['\r\n', ' \n', '\t\n', '\n\n', '\n \n', '\r'];
const EXTRAS = [
  '# a comment\n',
  '#\n',
  '\n',
  'query-id corpus-id score\n',
  'qid Q0 docno rank score tag\n',
  'q1 0 d1\n',
];

/** One column in so many is odd, and one line in so many has an odd shape: about one place in a file. */
const ODD_COLUMNS = 160;
const ODD_LINES = 200;

/** One of the usual values, rarely one of the odd ones. */
function mostly(random: RandomStream, usual: readonly string[], odd: readonly string[]): string {
  return pick(random, random.below(ODD_COLUMNS) === 0 ? odd : usual);
}

/** Lines of columns; each file leans to one kind of gap and line end. */
function lines(random: RandomStream, rows: readonly string[][]): string {
  const gap = random.below(4) === 0 ? pick(random, GAPS.slice(0, 3)) : ' ';
  const end = random.below(8) === 0 ? pick(random, LINE_ENDS.slice(0, 3)) : '\n';
  let text = random.below(30) === 0 ? '\ufeff' : '';
  for (const row of rows) {
    if (random.below(ODD_LINES) === 0) text += pick(random, EXTRAS);
    text += row.join(random.below(ODD_LINES) === 0 ? pick(random, GAPS) : gap);
    text += random.below(ODD_LINES) === 0 ? pick(random, LINE_ENDS) : end;
  }
  return random.below(8) === 0 ? text.replace(/\n$/, '') : text;
}

function bytesOf(random: RandomStream, text: string, { damaged = true }: OddFileOptions): Buffer {
  const bytes = Buffer.from(text);
  return damaged && random.below(4) === 0 ? mutateBytes(random, bytes) : bytes;
}

/** Topics with their documents, most of them once. */
function documents(random: RandomStream): [topic: string, doc: string][] {
  const rows: [string, string][] = [];
  for (let topic = 1 + random.below(3); topic > 0; topic--) {
    const id = mostly(random, [`q${topic}`], [...IDS, '#1']);
    const first = random.below(4);
    for (let doc = 1 + random.below(8); doc > 0; doc--) {
      rows.push([id, mostly(random, [`d${first + doc}`], [...IDS, `d${first + doc + 1}`])]);
    }
  }
  return rows;
}

/** A TREC run with ties. */
export function oddRun(random: RandomStream, options: OddFileOptions = {}): Buffer {
  const rows = documents(random).map(([topic, doc], i) => {
    const score = mostly(random, ['3', '2.5', '2.5', '1', '0.25', '-1'], NUMBERS);
    const columns = [topic, 'Q0', doc, mostly(random, [String(i + 1)], ['1.0', '-', 'x', ...NUMBERS]), score, 'tag'];
    if (random.below(ODD_LINES) === 0) columns.splice(random.below(6), 1);
    if (random.below(ODD_LINES) === 0) columns.push(pick(random, ['more', '1', ...IDS]));
    return columns;
  });
  return bytesOf(random, lines(random, rows), options);
}

/** Judgements in TREC's four columns, rarely in others. */
export function oddQrels(random: RandomStream, options: OddFileOptions = {}): Buffer {
  const columns = random.below(30) === 0 ? 3 : 4;
  const rows = documents(random).map(([topic, doc]) => {
    const grade = mostly(random, ['0', '0', '1', '1', '2', '3', '-1'], NUMBERS);
    const row = columns === 3 ? [topic, doc, grade] : [topic, mostly(random, ['0'], IDS), doc, grade];
    if (random.below(ODD_LINES) === 0) row.splice(random.below(row.length), 1);
    if (random.below(ODD_LINES) === 0) row.push(pick(random, IDS));
    return row;
  });
  return bytesOf(random, lines(random, rows), options);
}

/** Records of ids and texts, one a line, separated by a tab. */
export function oddTexts(random: RandomStream, options: OddFileOptions = {}): Buffer {
  const rows = documents(random).map(([, doc]) => {
    const row = [doc, mostly(random, ['the fox', 'naïve  text', ''], IDS)];
    if (random.below(ODD_LINES) === 0) row.splice(random.below(2), 1);
    return row;
  });
  const gap = random.below(20) === 0 ? pick(random, GAPS) : '\t';
  const records = rows.map((row) => [row.join(gap)]);
  return bytesOf(random, lines(random, records), options);
}
