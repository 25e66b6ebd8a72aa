/** @module rank-distillm/langchain */

import { rankWith, type AdapterOptions } from './rank-with.js';

/** What this reads of LangChain's documents. */
export interface LangChainDocument {
  pageContent: string;
  metadata: Record<string, unknown>;
}

/**
 * A cross-encoder as a document compressor of LangChain.js (`BaseDocumentCompressor`), for example for its
 * ContextualCompressionRetriever. Documents come back best first, as copies with `metadata.relevanceScore`; those given
 * stay as they are.
 */
export class CrossEncoderCompressor {
  readonly #options: AdapterOptions;

  constructor(options: AdapterOptions) {
    this.#options = options;
  }

  /** @throws RankDistillmError as `CrossEncoder.rank` */
  compressDocuments<Document extends LangChainDocument>(documents: Document[], query: string): Promise<Document[]> {
    return rankWith(query, documents, this.#options, {
      textOf: ({ pageContent }) => pageContent,
      ranked: (document, relevanceScore) => {
        const copy = Object.create(Object.getPrototypeOf(document) as object) as Document;
        return Object.assign(copy, document, { metadata: { ...document.metadata, relevanceScore } });
      },
    });
  }
}
