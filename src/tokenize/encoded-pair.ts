/** One query and one document. */
export interface TextPair {
  query: string;
  document: string;
}

/** A pair as the encoder sees it: `[CLS] query [SEP] document [SEP]`. */
export interface EncodedPair {
  /** [tokens] */
  inputIds: Int32Array;
  /** [tokens], 0 for the query's part, 1 for the document's. */
  tokenTypeIds: Uint8Array;
}
