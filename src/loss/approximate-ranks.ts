/**
 * Smooth ranks, from 1 (best) to the number of documents:
 *
 *   r_i = 1 + Σ_{j ≠ i} σ((s_j − s_i) / T)
 *
 * With T → 0 these are the ranks by descending score; a tie counts one half.
 *
 * Qin, Liu, Li: A general approximation framework for direct optimization of information retrieval measures. Inf. Retr.
 * 13 (2010), doi:10.1007/s10791-009-9124-x
 *
 * @param scores [docs]
 * @returns [docs]
 */
export function approximateRanks(scores: Float64Array, temperature: number): Float64Array {
  const ranks = new Float64Array(scores.length).fill(1);
  for (let i = 0; i < scores.length; i++) {
    for (let j = i + 1; j < scores.length; j++) {
      const difference = (scores[j]! - scores[i]!) / temperature;
      // σ(|x|) and σ(−|x|), both accurate for large |x|
      const tail = Math.exp(-Math.abs(difference));
      const [up, down] = [1 / (1 + tail), tail / (1 + tail)];
      ranks[i]! += difference > 0 ? up : down;
      ranks[j]! += difference > 0 ? down : up;
    }
  }
  return ranks;
}

/**
 * Backpropagates through `approximateRanks`: adds ∂L/∂s to `gradient`. With w_ij = σ'((s_j − s_i) / T) / T, which is
 * symmetric, ∂r_i/∂s_j = w_ij and ∂r_i/∂s_i = − Σ_j w_ij, so each pair moves (∂L/∂r_i − ∂L/∂r_j) · w_ij from i to j.
 *
 * @param scores [docs]
 * @param rankGradient [docs], ∂L/∂r
 * @param gradient [docs], added to
 */
export function addScoreGradient(
  scores: Float64Array,
  temperature: number,
  rankGradient: Float64Array,
  gradient: Float64Array,
): void {
  for (let i = 0; i < scores.length; i++) {
    for (let j = i + 1; j < scores.length; j++) {
      const tail = Math.exp(-Math.abs(scores[j]! - scores[i]!) / temperature);
      const weight = tail / ((1 + tail) * (1 + tail) * temperature);
      const moved = (rankGradient[i]! - rankGradient[j]!) * weight;
      gradient[j]! += moved;
      gradient[i]! -= moved;
    }
  }
}
