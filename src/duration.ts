/** A time in whole seconds as people say it: "45 s", "3 min 20 s". */
export function duration(seconds: number): string {
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
