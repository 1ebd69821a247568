import type { World } from "./world.ts";

/**
 * The next id of its kind, as AWS writes them: `i-`, `vol-`, ... and 17 hexadecimal digits, the
 * first of them 0.
 */
export function newId(world: World, prefix: string): string {
  return `${prefix}-0${world.random.hex(`${prefix}:${world.next(prefix)}`, 16)}`;
}

/** The next request id: a UUID, as both services send it. */
export function newRequestId(world: World): string {
  const digits = world.random.hex(`request:${world.next("request")}`, 32);
  const part = (from: number, to: number) => digits.slice(from, to);
  return `${part(0, 8)}-${part(8, 12)}-4${part(13, 16)}-a${part(17, 20)}-${part(20, 32)}`;
}

/** Whether `id` has the shape of an id with this prefix: 8 (old) or 17 hexadecimal digits. */
export function isId(prefix: string, id: string): boolean {
  return (
    id.startsWith(`${prefix}-`) && /^([0-9a-f]{8}|[0-9a-f]{17})$/.test(id.slice(prefix.length + 1))
  );
}
