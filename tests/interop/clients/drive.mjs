// The checks of the laboratory for a TypeScript client; how a thing is done with an SDK is told in its `driver.mjs`.
//
//   node driver.mjs MODE PLAN
//
// `open({ url, sse }, mode, answers)` of the SDK gives a connection: `revision`, and the methods tools, prompts, resources
// (how many there are), call and close. With answers it can be asked, and gives those; a connection whose stream does not
// outlive the daemon waits for another one in `ready`. Lines on standard output say how a check went, or ask the laboratory
// for an act, which it confirms on standard input.

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const secondsPerCheck = 120;
const secondsToClose = 5;
const secondsToEnd = 10;

export const textOf = (content) =>
  content.filter((item) => item.type === 'text').map((item) => item.text).join('\n');

export function demand(holds, otherwise) {
  if (!holds) throw new Error(otherwise);
}

async function eventually(what, look, seconds = secondsToEnd) {
  const end = Date.now() + seconds * 1000;
  while (!look()) {
    demand(Date.now() < end, `not within ${seconds} s: ${what}`);
    await sleep(20);
  }
}

async function within(seconds, what, promise) {
  const over = new AbortController();
  const limit = sleep(seconds * 1000, undefined, { signal: over.signal }).then(() => {
    throw new Error(`not within ${seconds} s: ${what}`);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    over.abort();
    limit.catch(() => {});
  }
}

const say = (line) => console.log(JSON.stringify(line));
const told = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(act) {
  say({ ask: act });
  const { value, done } = await told.next();
  demand(!done, `the laboratory left at ${act}`);
  const { failed } = JSON.parse(value);
  demand(failed === undefined, `${act}: ${failed}`);
}

async function called(connection, { tool, arguments: given, contains }, options) {
  const [said, failed] = await connection.call(tool, given, options);
  demand(!failed, `${tool} failed: ${said.slice(0, 200)}`);
  demand(said.includes(contains), `'${contains}' is not in '${said.slice(0, 200)}'`);
  return said;
}

function counted(what, found, wanted) {
  demand(found === wanted, `${found} ${what}, where the server has ${wanted}`);
}

// What a check is done with, and the detail of its line.
const checks = {
  async connect(lab) {
    lab.held = await lab.open(lab.plan);
    return lab.held.revision;
  },
  tools: (lab) => lab.lists('tools'),
  prompts: (lab) => lab.lists('prompts'),
  resources: (lab) => lab.lists('resources'),
  async call({ held, plan }) {
    await called(held, plan.call);
    return `${plan.call.tool} answered`;
  },
  async servers({ open, plan }) {
    for (const entry of plan.servers) {
      const { server, tools, call } = entry;
      try {
        const connection = await open(entry);
        counted('tools', await connection.tools(), tools);
        await called(connection, call);
        await connection.close();
      } catch (error) {
        throw new Error(`${server}: ${error.message}`);
      }
    }
    return `${plan.servers.length} listed and called`;
  },
  async progress({ held, plan }) {
    const seen = [];
    const began = Date.now();
    // The SDK gives up when this long nothing came; each event lets it wait again.
    const options = {
      timeout: plan.idle * 1000,
      resetTimeoutOnProgress: true,
      onprogress: ({ progress }) => seen.push(progress),
    };
    await called(held, plan.long, options);
    const lasted = (Date.now() - began) / 1000;
    const dropped = held.dropped ?? 0;
    demand(dropped <= 1, `the SDK dropped ${dropped} events, and only the last can come at the same moment as the answer`);
    demand(seen.length + dropped === plan.long.events, `${seen.length} of ${plan.long.events} events before the answer`);
    demand(seen.every((step, at) => at === 0 || step > seen[at - 1]), `progress was ${seen}`);
    demand(lasted > plan.idle, `it lasted ${lasted} s, which is not longer than the client waits`);
    const note = dropped === 0 ? '' : `, and the last came at the same moment as the answer, so the SDK dropped it`;
    return `${seen.length} events in ${lasted.toFixed(1)} s${note}`;
  },
  async cancel({ held, plan }) {
    const up = new AbortController();
    const waiting = held.call(plan.cancel.tool, plan.cancel.arguments, { signal: up.signal });
    const ended = waiting.then(
      ([said]) => `it was answered: ${said}`,
      () => 'cancelled',
    );
    const early = await Promise.race([ended, ask('busy')]);
    demand(early === undefined, `it ended by itself: ${early}`);
    up.abort('given up');
    const how = await within(secondsToEnd, 'the call ends here', ended);
    demand(how === 'cancelled', how);
    await ask('settled');
    await called(held, plan.call);
    return 'nothing in flight, the next call was answered';
  },
  sampling: (lab) => lab.asked('sampling'),
  elicitation: (lab) => lab.asked('elicitation'),
  async parallel({ open, plan }) {
    const spread = Array.from({ length: plan.discoveries }, (_, at) => plan.servers[at % plan.servers.length]);
    const discover = async (entry) => {
      const connection = await open(entry);
      counted(`tools of ${entry.server}`, await connection.tools(), entry.tools);
      return connection;
    };
    const connections = await Promise.all(spread.map(discover));
    await Promise.all(connections.map((connection) => connection.close()));
    return `${connections.length} at once`;
  },
  async churn({ open, plan }) {
    const [entry] = plan.servers;
    for (let round = 1; round <= plan.rounds; round += 1) {
      try {
        const connection = await open(entry);
        counted('tools', await connection.tools(), entry.tools);
        await connection.close();
      } catch (error) {
        throw new Error(`round ${round}: ${error.message}`);
      }
    }
    return `${plan.rounds} rounds`;
  },
  restart: (lab) => lab.outlives('restart'),
  kill: (lab) => lab.outlives('kill'),
  crash: (lab) => lab.outlives('crash'),
  async close({ held }) {
    await within(secondsToClose, 'closed', held.close());
    return 'closed';
  },
};

class Laboratory {
  constructor(plan, mode, open) {
    this.plan = plan;
    this.open = (where, answers) => open(where, mode, answers);
  }

  async lists(what) {
    const { [what]: wanted } = this.plan.servers[0];
    counted(what, await this.held[what](), wanted);
    return `${wanted} ${what}`;
  }

  async asked(what) {
    const { answer, elicitation } = this.plan;
    const connection = await this.open(this.plan, { said: answer, content: elicitation.content });
    await called(connection, this.plan[what]);
    await connection.close();
    return 'asked and answered';
  }

  async outlives(what) {
    const before = this.held.stream?.();
    await ask(what);
    const note = what === 'crash' ? undefined : await this.held.ready?.(before);
    counted('tools', await this.held.tools(), this.plan.servers[0].tools);
    await called(this.held, this.plan.call);
    return ['the same session', note].filter(Boolean).join(', ');
  }
}

export async function drive(open) {
  const [mode, file] = process.argv.slice(2);
  const lab = new Laboratory(JSON.parse(readFileSync(file, 'utf8')), mode, open);
  for (const [check, run] of Object.entries(checks)) {
    try {
      say({ check, result: 'ok', detail: await within(secondsPerCheck, check, run(lab)) });
    } catch (error) {
      console.error(check, error);
      const why = lab.held || check === 'connect' ? `${error.name}: ${error.message}` : 'it never connected';
      say({ check, result: 'fail', detail: why.replaceAll('\n', ' ').slice(0, 300) });
    }
  }
  process.exit(0);
}

// A connection of one of the SDKs: `client` and `transport` are its own.
export class Held {
  // Of HTTP+SSE: the path to post to, which comes anew with each stream.
  stream() {
    return this.transport._endpoint?.href;
  }

  async ready(before) {
    if (before === undefined) return undefined;
    const began = Date.now();
    await eventually('the SDK opens its stream again', () => this.stream() !== before);
    return `its stream taken up again by itself after ${Date.now() - began} ms`;
  }

  async close() {
    await this.transport.terminateSession?.();
    await this.client.close();
  }
}
