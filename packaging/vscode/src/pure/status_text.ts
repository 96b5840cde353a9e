/** What the status bar says: one short text, and the reason for silence when the mouse is over it. */

/** The server's own words (`stardraft/status`). */
export interface StatusReport {
  readonly state: "starting" | "idle" | "loading" | "ready" | "busy" | "off" | "error";
  readonly message: string;
  readonly reason: string;
  readonly model: string;
  /** What is wrong in the settings, in one line; "" when nothing is. */
  readonly warning: string;
}

/** The server as this extension sees it. */
export type ServerState =
  | { readonly kind: "missing" | "stopped" }
  | { readonly kind: "starting" | "running" }
  | { readonly kind: "restarting"; readonly waitMs: number }
  | { readonly kind: "failed"; readonly message: string };

export interface Situation {
  readonly server: ServerState;
  readonly report: StatusReport | undefined;
  /** Milliseconds until suggestions come back, Infinity until a user says so; 0 when they are not snoozed. */
  readonly quietMs: number;
  /** Whose settings have suggestions off for all languages: the user's own, or this workspace's. */
  readonly offIn?: "global" | "workspace" | undefined;
}

export interface Shown {
  readonly text: string;
  /** In the order in which they are read; the first is the state. */
  readonly lines: readonly string[];
  readonly severity: "" | "warning" | "error";
}

export function shownStatus(situation: Situation): Shown {
  const trouble = serverTrouble(situation.server);
  if (trouble !== undefined) {
    return trouble;
  }
  const found = silence(situation) ?? switchedOff(situation) ?? reported(situation.report);
  const warning = situation.report?.warning;
  // A wrong setting leaves the old one in force: what the state is, is still said.
  return warning && found.severity === ""
    ? shown("$(warning) stardraft", "warning", warning, ...found.lines)
    : found;
}

function serverTrouble(server: ServerState): Shown | undefined {
  switch (server.kind) {
    case "missing":
      return shown("$(warning) stardraft", "warning", "The stardraft server is not installed.", "Click to install it.");
    case "stopped":
      return shown("$(circle-slash) stardraft", "", "The language server is stopped.");
    case "starting":
      return shown("$(loading~spin) stardraft", "", "The language server is starting.");
    case "restarting":
      return shown(
        "$(warning) stardraft",
        "warning",
        `The language server ended; it is started again in ${Math.ceil(server.waitMs / 1000)} s.`,
      );
    case "failed":
      return shown("$(error) stardraft", "error", server.message);
    case "running":
      return undefined;
  }
}

function silence(situation: Situation): Shown | undefined {
  if (situation.quietMs <= 0) {
    return undefined;
  }
  const left = Number.isFinite(situation.quietMs)
    ? `Suggestions are snoozed for ${minutes(situation.quietMs)}.`
    : "Suggestions are switched off in this window until you switch them on.";
  return shown("$(bell-slash) stardraft", "", left, modelLine(situation.report?.model));
}

/** The server knows only that it is this editor. */
function switchedOff({ report, offIn }: Situation): Shown | undefined {
  if (report?.state !== "off" || report.reason !== "editor_off" || offIn === undefined) {
    return undefined;
  }
  const where = offIn === "workspace" ? "this workspace" : "your VS Code settings";
  return shown(
    "$(circle-slash) stardraft",
    "",
    `Suggestions are switched off in ${where} (stardraft.enabled).`,
    modelLine(report.model),
  );
}

function reported(report: StatusReport | undefined): Shown {
  const model = modelLine(report?.model);
  switch (report?.state) {
    case undefined:
    case "starting":
      return shown("$(loading~spin) stardraft", "", report?.message || "stardraft is starting.");
    case "loading":
      return shown("$(loading~spin) stardraft", "", report.message || "The model is loading.", model);
    case "busy":
      return shown("$(sync~spin) stardraft", "", "A suggestion is being made.", model);
    case "off":
      return shown("$(circle-slash) stardraft", "", report.message || "Suggestions are switched off.", model);
    case "error":
      return shown("$(error) stardraft", "error", report.message || "The last suggestion failed.", model);
    case "idle":
      return shown("$(zap) stardraft", "", report.message || "The next suggestion brings the model back.", model);
    case "ready":
      return shown(
        "$(zap) stardraft",
        "",
        "Ready.",
        report.message && report.reason ? `No suggestion the last time: ${report.message}` : report.message,
        model,
      );
  }
}

function modelLine(model: string | undefined): string {
  return model ? `Model: ${model}.` : "";
}

function minutes(ms: number): string {
  const n = Math.max(1, Math.ceil(ms / 60_000));
  return n === 1 ? "1 more minute" : `${n} more minutes`;
}

function shown(text: string, severity: Shown["severity"], ...lines: string[]): Shown {
  return { text, severity, lines: lines.filter((line) => line !== "") };
}

/** Whether a model runs that is not the built-in toy, which the server names so. */
export function hasRealModel(report: StatusReport | undefined): boolean {
  return report !== undefined && report.model !== "" && !report.model.endsWith(", a toy");
}

/** A report of the server, from what came over the wire; undefined when it is none. */
export function readReport(raw: unknown): StatusReport | undefined {
  const found = raw as Partial<Record<keyof StatusReport, unknown>> | null;
  if (typeof found !== "object" || typeof found?.state !== "string") {
    return undefined;
  }
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  return {
    state: found.state as StatusReport["state"],
    message: text(found.message),
    reason: text(found.reason),
    model: text(found.model),
    warning: text(found.warning),
  };
}
