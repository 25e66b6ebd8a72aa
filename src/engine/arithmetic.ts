import type { ComputePrecision, DeviceBinding, EncoderConfig, EngineInfo, FloatPrecision } from '../../binding.js';
import { RankDistillmError } from '../errors.js';
import { keptRates, RATED, type NativeArithmetic, type Rates, type Work } from './arithmetic-rates.js';

// A precision's name promises how exact scores are. Which arithmetic keeps the promise on a CPU is measured: flags say
// which instructions there are, and not whether they are fast.

/** What each kind of operation is computed in; what is not named here is float32. */
export interface Arithmetic {
  /** What the linear layers multiply. */
  products: ComputePrecision;
  /** What queries, keys and values are, and what attention multiplies. */
  attention: FloatPrecision;
  /** What the activation's output is kept in until the next product. */
  between: FloatPrecision;
  /** Products of bfloat16 and int8 on AMX tiles, where there are some; false: by dot products of vectors. */
  tiles: boolean;
}

export interface ArithmeticChoice extends Arithmetic {
  /** One sentence. */
  why: string;
}

/** Kinds of products, the finest first: each keeps the promises of those after it. */
const KINDS = ['float32', 'int16', 'bfloat16', 'int8'] as const satisfies ComputePrecision[];
const FLOATS = ['float32', 'bfloat16'] as const satisfies FloatPrecision[];

/** Of arithmetics whose speed differs by no more than this share, the finest is taken. */
const ALIKE = 0.05;

/** The attention's heads decide whether there is bfloat16. */
type Shape = Pick<EncoderConfig, 'hiddenSize' | 'heads'>;

/** Who uses an arithmetic: a precision as the engine calls it, and the model's encoder. */
export interface ArithmeticUse {
  device: string;
  asked: ComputePrecision;
  encoder: Shape;
  work: Work;
}

/** As the variable writes it: products/attention/between, and `vectors` where tiles are left idle. */
export function nameOf({ products, attention, between, tiles }: Arithmetic): string {
  if (products === 'float32') return products;
  return [products, attention, between, ...(tiles ? [] : [VECTORS])].join('/');
}

/** The same in words. */
export function describe({ products, attention, between, tiles }: Arithmetic): string {
  if (products === 'float32') return products;
  const around =
    attention === between
      ? `with ${attention} around the products`
      : `with ${attention} in attention and ${between} between products`;
  return `${products} ${around}${tiles ? '' : ', without tiles'}`;
}

/** The same products with the finest that can be around them. */
export const finestAround = (arithmetic: Arithmetic): Arithmetic => ({
  ...arithmetic,
  attention: 'float32',
  between: arithmetic.products === 'bfloat16' ? 'bfloat16' : 'float32',
});

export const isFiner = (a: Arithmetic, b: Arithmetic): boolean => KINDS.indexOf(a.products) < KINDS.indexOf(b.products);

/** How the engine is asked for an arithmetic. */
export function nativeArithmetic({ products: precision, attention, between, tiles }: Arithmetic): NativeArithmetic {
  return { precision, attention, between, tiles };
}

/**
 * The arithmetic that a precision is computed in on this CPU: of those that are exact enough, the finest that is about as
 * fast as the fastest. Measured in about a second when the first model of a host has a choice, and kept in the
 * cache folder, so that every process of the host computes the same scores. RANK_DISTILLM_ARITHMETIC fixes it: `flags`,
 * or a list such as `bf16-mixed=int16,int8=int8/float32/bfloat16`.
 *
 * @throws RankDistillmError `bad_input` for another value of the variable
 */
export async function chooseArithmetic(binding: DeviceBinding, use: ArithmeticUse): Promise<ArithmeticChoice> {
  if (use.device !== 'cpu') return { ...usual(use.asked, true), why: 'devices compute what is asked for' };
  const info = binding.info();
  const allowed = candidates(info, use.encoder, use.work).filter(({ products }) => isWithin(products, use.asked));
  // what the flags choose: instructions that there are count as fast
  const kinds = allowed.map(({ products }) => products);
  const bf16 = hasBf16(info, use.encoder);
  const byFlags = usual(kinds.includes(use.asked) ? use.asked : (kinds.at(-1) ?? 'float32'), bf16);
  if (allowed.length === 1) return { ...byFlags, why: 'nothing else here is as exact' };
  const fixed = fixedBy(process.env[VARIABLE], use.asked);
  if (fixed !== undefined) {
    const kind = KINDS.find((known) => known === fixed);
    const name = kind === undefined ? fixed : nameOf(usual(kind, bf16));
    const found = allowed.find((arithmetic) => nameOf(arithmetic) === name);
    return { ...(found ?? byFlags), why: `${VARIABLE} is ${process.env[VARIABLE]}` };
  }
  const rated = candidates(info, RATED, use.work).map((one) => [nameOf(one), nativeArithmetic(one)] as const);
  const found = await keptRates(binding, use.work, new Map(rated));
  if (found === undefined) {
    return { ...byFlags, why: 'chosen by the flags of the CPU, since the cache folder cannot be written' };
  }
  return fastestOf(allowed, found);
}

function fastestOf(allowed: readonly Arithmetic[], { tokensPerCpuSecond, measured }: Rates): ArithmeticChoice {
  const speeds = allowed.map((arithmetic) => ({ arithmetic, speed: tokensPerCpuSecond[nameOf(arithmetic)] ?? 0 }));
  const fastest = Math.max(...speeds.map(({ speed }) => speed));
  const { arithmetic } = speeds.find(({ speed }) => speed >= (1 - ALIKE) * fastest)!;
  const ofKind = (kind: ComputePrecision) =>
    speeds.filter(({ arithmetic: { products } }) => products === kind).sort((a, b) => b.speed - a.speed)[0];
  const words = KINDS.flatMap((kind) => {
    const best = ofKind(kind);
    return best === undefined ? [] : `${nameOf(best.arithmetic)} ${(best.speed / fastest).toFixed(2)}`;
  });
  return { ...arithmetic, why: `measured on ${measured.slice(0, 10)}, shares of the fastest: ${words.join(', ')}` };
}

/** What is around products where nothing was measured; native/model/config.cc decides alike. */
function usual(products: ComputePrecision, bf16: boolean): Arithmetic {
  const around = bf16 && (products === 'bfloat16' || products === 'int8') ? 'bfloat16' : 'float32';
  return { products, attention: around, between: around, tiles: true };
}

const hasBf16 = ({ bf16 }: EngineInfo, { hiddenSize, heads }: Shape): boolean => bf16 && (hiddenSize / heads) % 2 === 0;

const isWithin = (products: ComputePrecision, asked: ComputePrecision): boolean =>
  KINDS.indexOf(products) <= KINDS.indexOf(asked);

/** All that the engine has here, the finest first: native/model/config.cc decides that. */
function candidates(info: EngineInfo, encoder: Shape, work: Work): Arithmetic[] {
  const bf16 = hasBf16(info, encoder);
  if (work === 'training') return (bf16 ? FLOATS : (['float32'] as const)).map((products) => usual(products, bf16));
  const around = bf16 ? FLOATS : (['float32'] as const);
  const has: Record<ComputePrecision, boolean> = { float32: true, int16: true, bfloat16: bf16, int8: info.int8 };
  return KINDS.filter((kind) => has[kind]).flatMap((products): Arithmetic[] => {
    if (products === 'float32') return [usual(products, bf16)];
    const tiles = info.kernels === 'amx' && products !== 'int16' ? [true, false] : [true];
    const outputs = products === 'bfloat16' ? (['bfloat16'] as const) : around;
    return around.flatMap((attention) =>
      outputs.flatMap((between) => tiles.map((on) => ({ products, attention, between, tiles: on }))),
    );
  });
}

const VARIABLE = 'RANK_DISTILLM_ARITHMETIC';
const VECTORS = 'vectors';
const PROMISES: Readonly<Record<string, ComputePrecision>> = { 'bf16-mixed': 'bfloat16', int8: 'int8' };

/** Undefined: not fixed. What a list does not name follows from the flags. */
function fixedBy(setting: string | undefined, asked: ComputePrecision): string | undefined {
  if (setting === undefined || setting === '' || setting === 'measured') return undefined;
  let found = 'flags';
  for (const entry of setting === 'flags' ? [] : setting.split(',')) {
    const [promise = '', name = ''] = entry.split('=');
    if (!Object.hasOwn(PROMISES, promise) || !isName(name)) {
      throw new RankDistillmError(
        'bad_input',
        `${VARIABLE}: expected measured, flags or a list, received "${setting}"`,
        {
          hint:
            `A list: bf16-mixed=KIND,int8=KIND. A kind is one of ${KINDS.join(', ')}; for attention, and for what lies ` +
            `between products, /${FLOATS.join(' or /')} may follow each, and /${VECTORS} leaves AMX's tiles idle.`,
        },
      );
    }
    if (PROMISES[promise] === asked) found = name;
  }
  return found;
}

function isName(name: string): boolean {
  const [products, ...more] = name.split('/');
  if (more.length > 1 && more.at(-1) === VECTORS) more.pop();
  const isFloat = (part: string): boolean => FLOATS.some((known) => known === part);
  return KINDS.some((kind) => kind === products) && (more.length === 0 || (more.length === 2 && more.every(isFloat)));
}
