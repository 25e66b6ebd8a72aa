import { RankDistillmError } from '../errors.js';
import type { PlaceOf } from './formats/complete-topic.js';

/** Counts documents without a text, so that one error can say how many there are and how to go on. */
export class MissingDocuments {
  private total = 0;
  private missing = 0;
  private lowestRank = Infinity;
  private first: { docId: string; line: number } | undefined;

  count(known: boolean, entry: { docId: string; rank: number }, line: number): void {
    this.total += 1;
    if (known) return;
    this.missing += 1;
    this.lowestRank = Math.min(this.lowestRank, entry.rank);
    this.first ??= { docId: entry.docId, line };
  }

  get any(): boolean {
    return this.missing > 0;
  }

  error(placeOf: PlaceOf, collection: string): RankDistillmError {
    const { docId, line } = this.first!;
    const depth = this.lowestRank > 1 ? ` A depth of at most ${this.lowestRank - 1} does without them.` : '';
    return new RankDistillmError(
      'not_found',
      `${placeOf(line)}: document '${docId}' is not in the collection ${collection} ` +
        `(${this.missing} of the ${this.total} documents to be used are missing)`,
      { hint: `Register the collection that the run was made on.${depth}` },
    );
  }
}
