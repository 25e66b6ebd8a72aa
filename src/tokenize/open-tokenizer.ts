import type { Checkpoint } from '../models/checkpoint.js';
import { RankDistillmError } from '../errors.js';
import { loadTokenizer, type LoadedTokenizer, type TokenizerDescription } from './load-tokenizer.js';
import { learnPairTemplate, type PairTemplate } from './pair-template.js';
import {
  createSideTokenizers,
  outsideVocabulary,
  type SideLengths,
  type Sides,
  type SideTokenizer,
} from './side-tokenizer.js';
import { startTokenizerThread, type TokenizerStart, type TokenizerThread } from './tokenizer-pool.js';

export type TokenizerCheckpoint = Pick<Checkpoint, 'folder' | 'pairEncoding' | 'encoder'>;

/** What the thread that joins pairs knows of a tokenizer. */
interface TokenizerFacts {
  /** Size of the vocabulary, including added tokens. */
  vocabSize: number;
  truncationSide: 'left' | 'right';
  template: PairTemplate;
  lengths: SideLengths;
}

export interface OpenTokenizer extends TokenizerFacts {
  /** Tokenizes on this thread; undefined: `thread` does. */
  here: Sides<SideTokenizer> | undefined;
  /** A thread that has loaded the tokenizer. */
  thread: TokenizerThread | undefined;
  /** What other threads build the same tokenizer from. */
  start(): TokenizerStart;
  /** Size of what they build it from. */
  bytes(): number;
}

/** Loads and checks a tokenizer on this thread. */
export async function openHere(checkpoint: TokenizerCheckpoint): Promise<OpenTokenizer> {
  const { tokenizer, facts } = await loadChecked(checkpoint);
  const description = (): string => describe(tokenizer);
  const { lengths } = facts;
  return {
    ...facts,
    here: createSideTokenizers(tokenizer, lengths),
    thread: undefined,
    start: () => ({ description: description(), lengths }),
    bytes: () => description().length,
  };
}

/**
 * Like `openHere`, but in a thread: parsing 17 MB of JSON and building a tokenizer from it take seconds.
 *
 * @param isShared whether other threads will build the same
 */
export async function openInThread(checkpoint: TokenizerCheckpoint, isShared: boolean): Promise<OpenTokenizer> {
  const { folder, pairEncoding, encoder } = checkpoint;
  const { vocabSize, maxPositions } = encoder;
  const thread = startTokenizerThread(undefined);
  try {
    const open = { folder, pairEncoding, encoder: { vocabSize, maxPositions }, isShared };
    const { description, ...facts } = (await thread.request({ open })) as OpenedTokenizer;
    return {
      ...facts,
      here: undefined,
      thread,
      start() {
        if (description === undefined) throw cannotRestart();
        return { description, lengths: facts.lengths };
      },
      bytes: () => description?.byteLength ?? 0,
    };
  } catch (error) {
    await thread.close();
    throw error;
  }
}

function cannotRestart(): RankDistillmError {
  return new RankDistillmError('native', 'the tokenizer thread died', {
    hint: 'Load the model again; the process may have run out of memory.',
  });
}

/** The answer of a thread that has loaded a tokenizer. */
export interface OpenedTokenizer extends TokenizerFacts {
  /** In UTF-8, for threads that build the same. */
  description: SharedArrayBuffer | undefined;
}

/** What `openInThread` asks a thread for: of a checkpoint, what can be sent. */
export type TokenizerPlace = Omit<TokenizerCheckpoint, 'encoder'> & {
  encoder: Pick<Checkpoint['encoder'], 'vocabSize' | 'maxPositions'>;
  isShared: boolean;
};

/** The work of that thread. */
export async function openForOthers(
  place: TokenizerPlace,
): Promise<{ sides: Sides<SideTokenizer>; opened: OpenedTokenizer }> {
  const { tokenizer, facts } = await loadChecked(place);
  const description = place.isShared ? shared(describe(tokenizer)) : undefined;
  return { sides: sidesOf(tokenizer, facts.lengths), opened: { ...facts, description } };
}

function shared(text: string): SharedArrayBuffer {
  const utf8 = Buffer.from(text);
  const buffer = new SharedArrayBuffer(utf8.length);
  new Uint8Array(buffer).set(utf8);
  return buffer;
}

/** The tokenizers of a thread, which does not need the vocabulary once the library has it: several times its size. */
export function sidesOf(tokenizer: LoadedTokenizer, lengths: SideLengths): Sides<SideTokenizer> {
  const { vocab: _, merges: __, ...model } = tokenizer.definition.model;
  return createSideTokenizers({ ...tokenizer, definition: { ...tokenizer.definition, model } }, lengths);
}

export function readDescription({ description }: TokenizerStart): TokenizerDescription {
  const text = typeof description === 'string' ? description : Buffer.from(description).toString();
  return JSON.parse(text) as TokenizerDescription;
}

async function loadChecked({ folder, pairEncoding, encoder }: Omit<TokenizerPlace, 'isShared'>) {
  const tokenizer = await loadTokenizer(folder, pairEncoding);
  const template = await learnPairTemplate(tokenizer);
  for (const id of [...template.before.ids, ...template.between.ids, ...template.after.ids]) {
    if (id >= encoder.vocabSize) throw outsideVocabulary(tokenizer, id, encoder.vocabSize);
  }
  const { maxLength } = pairEncoding;
  if (maxLength > encoder.maxPositions || maxLength < template.count) {
    throw new RankDistillmError(
      'bad_input',
      `${folder}: pairs of up to ${maxLength} tokens do not fit the model, which has ${encoder.maxPositions} positions ` +
        `(including ${template.count} special tokens)`,
      { hint: `Set model_max_length in tokenizer_config.json to ${encoder.maxPositions}.` },
    );
  }
  const own = pairEncoding.kind === 'lightning-ir' ? pairEncoding : { queryLength: null, docLength: null };
  const facts: TokenizerFacts = {
    vocabSize: tokenizer.native.getVocabSize(true),
    truncationSide: tokenizer.truncationSide,
    template,
    lengths: {
      query: own.queryLength,
      document: own.docLength,
      room: maxLength - template.count,
      vocabSize: encoder.vocabSize,
    },
  };
  return { tokenizer, facts };
}

/** As JSON: cloning the vocabulary as an object is ten times slower. */
function describe({ native: _, ...description }: LoadedTokenizer): string {
  return JSON.stringify(description);
}
