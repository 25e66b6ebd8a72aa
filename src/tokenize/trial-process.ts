/** The child process of `tryTokenizer`. It exits with 0 unless the library ends it: a refusal shows again in the parent. */
import { text } from 'node:stream/consumers';
import { RankDistillmError } from '../errors.js';
import { buildTokenizer, type TokenizerDescription } from './load-tokenizer.js';

/** Texts that reach the edges of normalizers, pre-tokenizers and decoders. */
const TEXTS = [
  ...['', ' ', '  ', '\t\n\r', 'a', 'A b', ' leading', 'trailing ', '  two  spaces  ', "don't (stop) 3.14!"],
  ...['\u0000', '\u0001\u007f', '\u200b\u200d\ufeff', '\ufffd', '\u0300', 'e\u0301\u0323', '\u0130\u1e9e\u01c5\ufb01'],
  ...['\ufdfa', '\u4e2d\u6587', '\u30d5\u30ab\u3099', '\u0e01\u0e33', '👩‍👩‍👧‍👦', '▁', '▁▁a▁', '##a', '<0x41>', '</w>'],
  ...['[CLS] [SEP] [MASK] [PAD] [UNK]', '<s> </s><mask>  <pad>', 'a'.repeat(300), 'é'.repeat(300), '1'.repeat(300)],
  Array.from({ length: 256 }, (_, code) => String.fromCodePoint(code)).join(''),
  Array.from({ length: 512 }, (_, i) => String.fromCodePoint(0x100 + i * 131)).join(''),
].map((odd) => odd.replace(/\p{Cs}/gu, ''));

try {
  const description = JSON.parse(await text(process.stdin)) as TokenizerDescription;
  const { native } = buildTokenizer(description);
  for (const odd of TEXTS) {
    try {
      const ids = (await native.encode(odd, 'a')).getIds();
      const [alone] = await native.encodeBatch([odd], { addSpecialTokens: false });
      await native.decodeBatch([ids, alone!.getIds(), []], false);
      native.getNormalizer()?.normalizeString(odd);
    } catch {
      // an error of the library is reported for the text that has it
    }
  }
} catch (error) {
  if (!(error instanceof RankDistillmError)) throw error;
}
