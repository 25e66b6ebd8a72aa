/** @module rank-distillm/llamaindex */

import { rankWith, type AdapterOptions } from './rank-with.js';

/** What this reads of LlamaIndex's nodes. */
export interface LlamaIndexNode {
  node: { getContent(mode: never): string };
  score?: number;
}

/** A part of a message, of which text counts. */
type MessagePart = { type: string; text?: string };

/** LlamaIndex's name for a node's text without its metadata. */
const TEXT_ALONE = 'NONE' as never;

/**
 * A cross-encoder as a node postprocessor of LlamaIndex.TS (`BaseNodePostprocessor`). Nodes come back best first, with
 * their new scores; those given stay as they are.
 */
export class CrossEncoderPostprocessor {
  readonly #options: AdapterOptions;

  constructor(options: AdapterOptions) {
    this.#options = options;
  }

  /**
   * @param query a text, or a message's parts
   * @throws RankDistillmError as `CrossEncoder.rank`
   */
  async postprocessNodes<Node extends LlamaIndexNode>(
    nodes: Node[],
    query?: string | readonly MessagePart[],
  ): Promise<Node[]> {
    const text = typeof query === 'string' ? query : textOf(query ?? []);
    if (text === '') return nodes; // nothing to rank by
    return rankWith(text, nodes, this.#options, {
      textOf: ({ node }) => node.getContent(TEXT_ALONE),
      ranked: (node, score) => ({ ...node, score }),
    });
  }
}

function textOf(parts: readonly MessagePart[]): string {
  return parts.flatMap(({ text }) => (text === undefined ? [] : [text])).join('\n');
}
