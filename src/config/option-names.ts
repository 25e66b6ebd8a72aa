// The border between the snake_case of configurations and the camelCase of the TypeScript API.

/** `max_steps` is `maxSteps` in the API, `T_max` is `tMax`. */
export type OptionName<Key extends string> = Key extends `${infer Head}_${infer Tail}`
  ? `${Uncapitalize<Head>}${Capitalize<OptionName<Tail>>}`
  : Uncapitalize<Key>;

/** Settings by their names in the API. Values are not touched. */
export type ByOptionName<Settings> = {
  [Key in keyof Settings as Key extends string ? OptionName<Key> : never]: Settings[Key];
};

/** More than there are keys; callers may give any. */
const MOST_KNOWN = 10_000;
/** Every call of the API asks for the same few. */
const known = new Map<string, string>();

export function optionName(key: string): string {
  let name = known.get(key);
  if (name === undefined) {
    const camel = key.replace(/_([a-z0-9])/gi, (_, letter: string) => letter.toUpperCase());
    name = camel.charAt(0).toLowerCase() + camel.slice(1);
    if (known.size < MOST_KNOWN) known.set(key, name);
  }
  return name;
}

export function byOptionName<Settings extends object>(settings: Settings): ByOptionName<Settings> {
  const entries = Object.entries(settings).map(([key, value]): [string, unknown] => [optionName(key), value]);
  return Object.fromEntries(entries) as ByOptionName<Settings>;
}
