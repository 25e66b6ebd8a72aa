// The border between the snake_case of configurations and the camelCase of the TypeScript API.

/** `max_steps` is `maxSteps` in the API, `T_max` is `tMax`. */
export type OptionName<Key extends string> = Key extends `${infer Head}_${infer Tail}`
  ? `${Uncapitalize<Head>}${Capitalize<OptionName<Tail>>}`
  : Uncapitalize<Key>;

/** Settings by their names in the API. Values are not touched. */
export type ByOptionName<Settings> = {
  [Key in keyof Settings as Key extends string ? OptionName<Key> : never]: Settings[Key];
};

export function optionName(key: string): string {
  const camel = key.replace(/_([a-z0-9])/gi, (_, letter: string) => letter.toUpperCase());
  return camel.charAt(0).toLowerCase() + camel.slice(1);
}

export function byOptionName<Settings extends object>(settings: Settings): ByOptionName<Settings> {
  const entries = Object.entries(settings).map(([key, value]): [string, unknown] => [optionName(key), value]);
  return Object.fromEntries(entries) as ByOptionName<Settings>;
}
