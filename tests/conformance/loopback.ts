import type { AddressInfo, Server } from "node:net";

/** A server that listens on a free port of loopback. */
export interface Listening {
  readonly url: string;
  stop(): Promise<void>;
}

/** Lets a server listen; stopping it ends its connections too. */
export async function listenOnLoopback(
  server: Server & { closeAllConnections?: () => void },
): Promise<Listening> {
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((stopped) => {
        server.close(() => stopped());
        server.closeAllConnections?.();
      }),
  };
}
