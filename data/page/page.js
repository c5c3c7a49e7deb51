/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything shown goes through textContent: log lines and domain names are written by strangers. */
"use strict";

const REFRESH_MS = 10000;
const SETTLE_MS = 250;
const RETRY_MS = 3000;
const LINES_SHOWN = 8;
const LISTS = ["status", "incidents", "vms", "migrations", "history"];

const $ = (id) => document.getElementById(id);
const state = {};
let refreshing = false;
let refreshAgain = false;
let settle = 0;

/* --- small helpers --- */

function element(name, options = {}, ...children) {
  const node = document.createElement(name);
  if (options.class) node.className = options.class;
  if (options.title) node.title = options.title;
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function duration(seconds) {
  if (typeof seconds !== "number" || seconds < 0) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  if (seconds < 5400) return `${(seconds / 60).toFixed(1)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function bytes(count) {
  if (typeof count !== "number") return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; count >= 1024 && unit < units.length - 1; unit++) count /= 1024;
  return `${count < 10 && unit > 0 ? count.toFixed(1) : Math.round(count)} ${units[unit]}`;
}

function when(us) {
  const node = element("time");
  if (us > 0) {
    const date = new Date(us / 1000);
    node.dateTime = date.toISOString();
    node.title = date.toISOString();
    node.textContent = date.toISOString().slice(0, 19).replace("T", " ");
  } else {
    node.textContent = "–";
  }
  return node;
}

function percent(ratio) {
  return typeof ratio === "number" ? `${Math.round(100 * ratio)}%` : "–";
}

function fill(id, nodes, nothing) {
  $(id).replaceChildren(...(nodes.length ? nodes : [element("p", { class: "empty" }, nothing)]));
}

function table(headings, rows) {
  const cell = (name, value) => {
    const number = value && value.number !== undefined;
    return element(name, { class: number ? "number" : "" }, number ? value.number : value);
  };
  const head = element("tr", {}, ...headings.map((heading) => cell("th", heading)));
  const body = rows.map((row) => element("tr", {}, ...row.map((value) => cell("td", value))));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}

const number = (text) => ({ number: text });

/* --- sections --- */

function openIncidents() {
  return (state.incidents || []).filter((incident) => incident.state !== "cleared");
}

function showStatus() {
  const status = state.status || {};
  const open = openIncidents();
  const real = open.filter((incident) => !incident.benign && !incident.drill);
  let [word, colour] = ["healthy", "good"];
  if (status.libvirt_connected === false) [word, colour] = ["libvirt unreachable", "warn"];
  else if (status.detector && status.detector.learning) [word, colour] = ["learning what is normal", ""];
  if (real.length) [word, colour] = ["suspect", "warn"];
  if (real.some((incident) => incident.state === "confirmed")) [word, colour] = ["failing", "bad"];
  $("host").textContent = status.host || "vmft";
  $("health").textContent = word;
  $("health").className = `badge ${colour}`;
  $("operation").textContent = status.operation || "";
  const facts = [];
  if (status.inhibited_until_us / 1000 > Date.now())
    facts.push(`inhibited until ${new Date(status.inhibited_until_us / 1000).toISOString().slice(0, 16)}: ` +
               status.inhibited_because);
  facts.push(`${(state.vms || []).length} VMs`, `vmft ${status.version || "?"}`);
  $("facts").textContent = facts.join(" · ");
  document.title = `${status.host || "vmft"}: ${word}`;
}

function planText(plan) {
  const held = plan.guard ? ` (held back: ${plan.guard})` : "";
  return `Plan ${plan.id}: ${plan.verdict}${held}. ${plan.reason}`;
}

function incidentNode(incident) {
  const lead = incident.lead;
  const words = [`${incident.class || "other"} on ${incident.locus || "host"}`, incident.state];
  for (const flag of ["terminal", "acknowledged", "benign", "drill", "backlog"]) if (incident[flag]) words.push(flag);
  if (incident.trusted === false) words.push("untrusted source");
  const alarms = (incident.lines || []).slice(0, LINES_SHOWN);
  const lines = alarms.map((alarm) => element("li", {}, when(alarm.time_us), element("code", { title: alarm.source }, alarm.line || "")));
  const node = element("div", { class: `incident ${incident.state === "cleared" ? "" : incident.state}` },
    element("p", {}, element("strong", {}, `#${incident.id} ${words.join(", ")}`)),
    element("p", { class: "note" }, "first ", when(incident.first_us), ` · ${incident.alarms} lines`,
      lead ? ` · fails with ${percent(lead.p_fails)} · ${duration(lead.p50_s)} left (p10 ${duration(lead.p10_s)}, p90 ${duration(lead.p90_s)})` : ""),
    incident.plan ? element("p", {}, planText(incident.plan)) : null,
    element("ol", {}, ...lines));
  return node;
}

function showIncidents() {
  const open = openIncidents();
  const closed = (state.incidents || []).filter((incident) => incident.state === "cleared").slice(0, 3);
  fill("incidents", [...open, ...closed].map(incidentNode), "None open. This host says nothing unusual.");
}

function span(from, to, scale, name) {
  const node = element("i", { class: name });
  node.style.left = `${Math.min(100, 100 * from / scale)}%`;
  node.style.width = `${Math.max(0.4, Math.min(100, 100 * (to - from) / scale))}%`;
  return node;
}

function row(label, value, title, ...spans) {
  return element("div", { class: "row", title }, element("span", {}, label),
    element("div", { class: "track" }, ...spans), element("span", { class: "value" }, value));
}

/* Whether the incident reaches the VM; before there is a plan nobody knows, so it does. */
function concerns(incident, vm) {
  const plan = incident.plan;
  if (!plan) return true;
  return plan.steps.some((step) => step.uuid === vm.uuid) ||
    plan.refusals.some((refusal) => refusal.uuid === vm.uuid && refusal.concerned);
}

/* Of several open incidents the one that leaves the least time counts. */
function pressing(vm) {
  const open = openIncidents().filter((incident) => incident.lead && !incident.benign && concerns(incident, vm));
  return open.sort((a, b) => a.lead.p50_s - b.lead.p50_s)[0] || null;
}

function estimateRow(estimate, lead, step, scale) {
  if (!estimate.possible) return row(estimate.mode, "not possible", estimate.reason || "");
  const chosen = step && !step.save && step.mode === estimate.mode;
  const fits = !lead ? null : chosen ? step.fits : estimate.total_p90_s < lead.p10_s;
  const name = fits === null ? "" : fits ? "fit" : "miss";
  const node = row(estimate.mode, `${duration(estimate.total_p50_s)} (p90 ${duration(estimate.total_p90_s)})` +
    (chosen ? ` · chosen, ${percent(step.p_arrive)}` : ""), estimate.reason || "",
    span(0, estimate.total_p90_s, scale, `${name} pale`), span(0, estimate.total_p50_s, scale, name));
  if (chosen) node.classList.add("chosen");
  return node;
}

function vmNode(vm) {
  const incident = pressing(vm);
  const lead = incident && incident.lead;
  const step = incident && incident.plan && incident.plan.steps.find((one) => one.uuid === vm.uuid);
  const ways = vm.destinations || [];
  const way = ways.find((one) => step && one.destination === step.destination) || ways.find((one) => one.movable) || ways[0];
  const estimates = (way && way.estimates) || [];
  const facts = [vm.running === false ? "not running" : bytes(vm.memory_bytes)];
  if (vm.off) facts.push("policy off: vmft leaves it alone");
  if (vm.blocker) facts.push(`cannot move: ${vm.blocker}`);
  else if (step && step.save) facts.push("to be saved to shared storage: no destination takes it in time");
  else if (way) facts.push(way.movable ? `to ${way.destination}` : `not to ${way.destination}: ${way.reason || "unknown"}`);
  else facts.push("no destination");
  const times = estimates.filter((estimate) => estimate.possible).map((estimate) => estimate.total_p90_s);
  if (lead) times.push(lead.p90_s);
  const scale = 1.02 * Math.max(1, ...times.filter((time) => typeof time === "number"));
  const rows = estimates.map((estimate) => estimateRow(estimate, lead, step, scale));
  if (lead)
    rows.unshift(row("lead time left", `${duration(lead.p50_s)} (p10 ${duration(lead.p10_s)})`, "",
      span(lead.p10_s, lead.p90_s, scale, "lead"), span(lead.p50_s, lead.p50_s, scale, "mark")));
  return element("div", { class: "vm" }, element("h3", {}, vm.name, element("small", {}, facts.join(" · "))), ...rows);
}

function showVms() {
  fill("vms", (state.vms || []).map(vmNode), "This host has no virtual machines.");
}

function showMigrations() {
  const rows = (state.migrations || []).map((job) => {
    const bar = element("progress");
    bar.max = 1;
    bar.value = Math.max(0, Math.min(1, job.progress || 0));
    bar.textContent = percent(job.progress);
    return [job.name || job.uuid, job.destination || "", job.mode || "", job.state || "", bar,
      number(percent(job.progress)), number(duration(job.remaining_s))];
  });
  fill("migrations", rows.length ? [table(["VM", "to", "mode", "state", "", number("done"), number("left")], rows)] : [],
    "None.");
}

function showHistory() {
  const rows = (state.history || []).slice(0, 12).map((job) => [when(job.ended_us || job.started_us),
    job.name || job.uuid, job.destination || "", job.mode || "", job.outcome || job.state || "",
    number(duration(job.forecast_p50_s)), number(duration(job.total_s)), number(duration(job.downtime_s))]);
  fill("history", rows.length ? [table(["ended", "VM", "to", "mode", "outcome", number("forecast"), number("took"),
    number("downtime")], rows)] : [], "None yet.");
}

function show() {
  showStatus();
  showIncidents();
  showMigrations();
  showVms();
  showHistory();
}

/* --- talking to the daemon --- */

function headers() {
  const token = sessionStorage.getItem("vmft-token");
  return token ? { Authorization: `Bearer ${token}` } : {};
}

function askForToken(wrong) {
  $("login").hidden = false;
  $("login-error").textContent = wrong ? "That is not the token." : "";
}

async function get(path, options = {}) {
  const response = await fetch(`api/v1/${path}`, { headers: headers(), cache: "no-store", ...options });
  if (response.status === 401) {
    askForToken(sessionStorage.getItem("vmft-token") !== null);
    sessionStorage.removeItem("vmft-token");
  }
  if (!response.ok) throw new Error((await response.text()).trim());
  $("login").hidden = true;
  return response;
}

async function refresh() {
  if (refreshing) {
    refreshAgain = true;
    return;
  }
  refreshing = true;
  try {
    const answers = await Promise.all(LISTS.map(async (name) => (await get(name)).json()));
    LISTS.forEach((name, index) => { state[name] = answers[index]; });
    show();
  } finally {
    refreshing = false;
    if (refreshAgain) {
      refreshAgain = false;
      refreshSoon();
    }
  }
}

function refreshSoon() {
  if (settle === 0)
    settle = setTimeout(() => { settle = 0; refresh().catch(() => {}); }, SETTLE_MS);
}

function onEvent(name, data) {
  if (name === "migration") {
    const job = JSON.parse(data);
    const known = (state.migrations || []).find((other) => other.id === job.id && other.state === job.state);
    if (known) {
      Object.assign(known, job);
      showMigrations();
      return;
    }
  }
  refreshSoon();
}

/* EventSource cannot send the token; a stream of fetch can. */
async function stream() {
  const response = await get("events");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  $("stream").textContent = "live";
  $("stream").className = "";
  await refresh();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const name = /^event: (.*)$/m.exec(block);
      const data = /^data: (.*)$/m.exec(block);
      if (name && data) onEvent(name[1], data[1]);
    }
  }
}

async function follow() {
  for (;;) {
    try {
      await stream();
    } catch (error) {
      console.info(error.message);
    }
    $("stream").textContent = "not connected";
    $("stream").className = "off";
    await new Promise((resolve) => setTimeout(resolve, $("login").hidden ? RETRY_MS : 200));
    while (!$("login").hidden) await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("vmft-token", $("token").value);
  $("token").value = "";
  $("login").hidden = true;
});
setInterval(() => { if ($("login").hidden) refresh().catch(() => {}); }, REFRESH_MS);
follow();
