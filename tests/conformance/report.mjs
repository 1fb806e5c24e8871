// Reads the checks the suite wrote and prints one table: server, revision, scenario, result, checks.
//
//   node report.mjs RESULTS_DIR SERVER/REVISION...
//
// Stricter than the suite: every scenario named below must have run, at least one of its checks must have
// succeeded, none may have failed or warned, and checks listed in `mustSucceed` must be there and succeed, so
// that a scenario which merely had nothing to look at does not pass. What stands in `lost` cannot pass on that server;
// each says why, and has to fail, so that it does not stand there longer than it is true.

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const common = [
  'server-initialize', 'server-session-lifecycle', 'logging-set-level', 'ping', 'completion-complete',
  'tools-list', 'tools-call-simple-text', 'tools-call-image', 'tools-call-audio',
  'tools-call-embedded-resource', 'tools-call-mixed-content', 'tools-call-with-logging', 'tools-call-error',
  'tools-call-with-progress', 'tools-call-sampling', 'tools-call-elicitation',
  'resources-list', 'resources-read-text', 'resources-read-binary', 'resources-templates-read',
  'resources-subscribe', 'resources-unsubscribe',
  'prompts-list', 'prompts-get-simple', 'prompts-get-with-args', 'prompts-get-embedded-resource',
  'prompts-get-with-image',
];

const required = {
  '2025-06-18': common,
  '2025-11-25': [
    ...common,
    'json-schema-2020-12', 'elicitation-sep1034-defaults', 'elicitation-sep1330-enums',
    'server-sse-polling', 'server-sse-multiple-streams', 'dns-rebinding-protection',
  ],
};

// Both eras know these.
const neutral = [
  'completion-complete', 'tools-list', 'tools-call-simple-text', 'tools-call-image', 'tools-call-audio',
  'tools-call-embedded-resource', 'tools-call-mixed-content', 'tools-call-error', 'tools-call-with-progress',
  'resources-list', 'resources-read-text', 'resources-read-binary', 'resources-templates-read',
  'prompts-list', 'prompts-get-simple', 'prompts-get-with-args', 'prompts-get-embedded-resource',
  'prompts-get-with-image', 'server-sse-multiple-streams', 'dns-rebinding-protection', 'json-schema-2020-12',
];

required['2026-07-28'] = [
  ...neutral,
  'server-stateless', 'caching', 'sep-2164-resource-not-found', 'http-header-validation',
  'http-custom-header-server-validation',
  ...[
    'basic-elicitation', 'basic-sampling', 'basic-list-roots', 'request-state', 'multiple-input-requests',
    'multi-round', 'missing-input-response', 'non-tool-request', 'result-type', 'unsupported-methods',
    'tampered-state', 'capability-check', 'ignore-extra-params', 'validate-input',
  ].map((name) => `input-required-result-${name}`),
];

const tasks = [
  'lifecycle', 'capability-negotiation', 'wire-fields', 'request-state-removal', 'mrtr-input', 'request-headers',
  'dispatch-and-envelope', 'status-notifications', 'required-task-error', 'mrtr-composition',
].map((name) => `tasks-${name}`);

const lost = {
  'legacy/2026-07-28': {
    'input-required-result-basic-elicitation': 'it insists on a name for the question that a request cannot carry',
  },
};

// The suite warns and lets them pass.
const warned = {
  'legacy/2026-07-28': {
    'input-required-result-ignore-extra-params': 'it answers, before it was asked, under a name that a request cannot carry',
  },
};

// Run by the suite, and nothing that is promised there.
const ignored = { 'legacy/2026-07-28': tasks };

const mustSucceed = {
  'server-initialize': ['server-initialize', 'server-session-id-visible-ascii'],
  'server-session-lifecycle': [
    'server-session-initialized-accepted', 'server-session-delete-accepted',
    'server-session-terminated-returns-404',
  ],
  'server-sse-polling': ['server-sse-priming-event', 'server-sse-retry-field', 'server-sse-disconnect-resume'],
  'server-sse-multiple-streams': ['server-accepts-multiple-post-streams'],
  // The one check of this is skipped by the suite itself.
  'tasks-status-notifications': [],
  'dns-rebinding-protection': ['localhost-host-rebinding-rejected', 'localhost-host-valid-accepted'],
};

const [dir, ...cells] = process.argv.slice(2);
let red = 0;
let green = 0;
const unwell = new Set();
const notes = [];

console.log(`${'server/revision'.padEnd(19)}${'scenario'.padEnd(45)}${'result'.padEnd(8)}checks`);
for (const cell of cells) {
  const results = read(join(dir, cell));
  const names = new Set([...(required[cell.split('/')[1]] ?? []), ...results.keys()]);
  for (const name of names) {
    if (ignored[cell]?.includes(name)) continue;
    const reason = lost[cell]?.[name];
    const warning = warned[cell]?.[name];
    const { good, text, problems } = judge(name, results.get(name), warning !== undefined);
    if (warning !== undefined) notes.push(`${cell} ${name}: passes with a warning: ${warning}`);
    const isFine = good !== (reason !== undefined);
    if (isFine) green += 1;
    else red += 1;
    if (!isFine) unwell.add(cell);
    const word = reason === undefined ? (good ? 'pass' : 'FAIL') : good ? 'PASSES' : 'lost';
    console.log(`${cell.padEnd(19)}${name.padEnd(45)}${word.padEnd(8)}${text}`);
    if (reason !== undefined) notes.push(`${cell} ${name}: ${good ? 'no longer lost' : `lost: ${reason}`}`);
    else for (const problem of problems) notes.push(`${cell} ${name}: ${problem}`);
  }
}
for (const note of notes) console.log(`  ! ${note}`);
for (const [test, revision] of [['T-1', '2025-11-25'], ['T-2', '2026-07-28']]) {
  const both = ['legacy', 'modern'].map((server) => `${server}/${revision}`);
  if (!both.every((cell) => cells.includes(cell))) continue;
  const word = both.some((cell) => unwell.has(cell)) ? 'FAIL' : 'pass';
  console.log(`${test} the suite at ${revision}, on a legacy and on a modern server: ${word}`);
}
console.log(`conformance scenarios: ${green} passed, ${red} failed`);
process.exit(red === 0 && green > 0 ? 0 : 1);

// The suite writes <dir>/server-<scenario>-<time>/checks.json.
function read(from) {
  const results = new Map();
  if (!existsSync(from)) return results;
  for (const entry of readdirSync(from)) {
    const file = join(from, entry, 'checks.json');
    const name = /^server-(.+)-\d{4}-\d{2}-\d{2}T.*$/.exec(entry)?.[1];
    if (name && existsSync(file)) results.set(name, JSON.parse(readFileSync(file, 'utf8')));
  }
  return results;
}

function judge(name, checks, mayWarn) {
  if (!checks) return { good: false, text: 'did not run', problems: [] };
  const count = (status) => checks.filter((check) => check.status === status).length;
  const problems = checks
    .filter((check) => check.status === 'FAILURE' || (check.status === 'WARNING' && !mayWarn))
    .map((check) => `${check.status} ${check.id}: ${check.errorMessage ?? check.description}`);
  for (const id of mustSucceed[name] ?? []) {
    if (!checks.some((check) => check.id === id && check.status === 'SUCCESS')) {
      problems.push(`check ${id} did not succeed`);
    }
  }
  const passed = count('SUCCESS');
  if (mayWarn && count('WARNING') === 0) problems.push('it no longer warns');
  if (passed === 0 && mustSucceed[name]?.length !== 0) problems.push('no check succeeded');
  const text = `${passed} ok, ${count('FAILURE')} failed, ${count('WARNING')} warned`;
  return { good: problems.length === 0, text, problems };
}
