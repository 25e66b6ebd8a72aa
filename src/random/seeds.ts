/** Seeds are below this, as in Lightning. */
export const SEEDS = 2 ** 32;

/** lightning-ir's runs of the paper use seed_everything 42. */
export const DEFAULT_SEED = 42;
