import { DeployError } from "../errors.ts";
import type { LogEvent } from "../log.ts";

/** The event that tells of whatever ended the program; a stack trace only for what is a bug. */
export function toEvent(error: unknown): LogEvent {
  if (error instanceof DeployError) {
    const { code, message, problems, hint, rerun } = error;
    const details = {
      code,
      ...(problems.length > 0 ? { problems } : {}),
      ...(hint ? { hint } : {}),
      ...(rerun ? { rerun } : {}),
    };
    return { event: "error", message: message.replace(/^[a-z]+ /, capitalise), details };
  }
  const stack = error instanceof Error ? error.stack : String(error);
  return {
    event: "error",
    message: `This is a bug in zero-deploy: ${stack}`,
    details: { code: "Bug" },
  };
}

function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
