/** The same client, whose calls go through `send`. */
export function withSend<C extends object>(
  client: C,
  send: (command: object) => Promise<unknown>,
): C {
  return new Proxy(client, {
    get: (target, key) => (key === "send" ? send : Reflect.get(target, key, target)),
  });
}
