// The checks of the table, the same for every TypeScript SDK; how a check is done with an SDK is told in its `table.mjs`.
// They are those of checks.py beside this, where the arguments, the file of targets and the lines printed are described.
//
// A connection is what `connect(target, mode)` of the SDK gives: it has `revision`, `heard` (what was logged), and the
// methods tools, call, prompts, prompt, resources, read, news and close; see the SDKs.

import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const secondsPerCheck = 30;
const secondsPerConnection = 30;

export const sampled = 'an answer made by the client';
export const root = 'file:///the/root/of/the/client';

export const textOf = (content) =>
  content.filter((item) => item.type === 'text').map((item) => item.text).join('\n');

function demand(holds, otherwise) {
  if (!holds) throw new Error(otherwise);
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

async function eventually(what, look, seconds = 10) {
  const end = Date.now() + seconds * 1000;
  while (!look()) {
    demand(Date.now() < end, `not within ${seconds} s: ${what}`);
    await sleep(20);
  }
}

function contains(wanted, said) {
  demand(said.includes(wanted), `'${wanted}' is not in '${said.slice(0, 200)}'`);
  return said.trim().slice(0, 80);
}

async function tool(connection, step) {
  const [said, failed] = await connection.call(step.tool, step.arguments);
  demand(!failed, `the tool failed: ${said.slice(0, 200)}`);
  return said;
}

// What a check is done with, and the detail of its line.
const checks = {
  async revision(connection, { revision }) {
    return contains(revision.contains, await tool(connection, revision));
  },
  async tools(connection, ask) {
    const names = await connection.tools();
    const missing = ask.tools.filter((name) => !names.includes(name));
    demand(missing.length === 0, `${missing} are not among ${names}`);
    return `${names.length} tools`;
  },
  async call(connection, { call }) {
    return contains(call.contains, await tool(connection, call));
  },
  async unknown(connection) {
    let said;
    try {
      const [text, failed] = await connection.call('no-such-tool', {});
      demand(failed, `it was answered ${text.slice(0, 200)}`);
      said = text;
    } catch (error) {
      said = error.message;
    }
    return contains('no-such-tool', said);
  },
  async prompts(connection, { prompts }) {
    const names = await connection.prompts();
    demand(names.includes(prompts.name), `it is not among ${names}`);
    return contains(prompts.contains, await connection.prompt(prompts.name, prompts.arguments));
  },
  async resources(connection, { resources }) {
    const uris = await connection.resources();
    demand(uris.includes(resources.uri), `it is not among ${uris}`);
    return contains(resources.contains, await connection.read(resources.uri));
  },
  async progress(connection, { progress }) {
    const seen = [];
    const [said, failed] = await connection.call(progress.tool, progress.arguments, {
      onprogress: (step) => seen.push(step.progress),
    });
    demand(!failed, `the tool failed: ${said.slice(0, 200)}`);
    await eventually(`${progress.least} steps`, () => seen.length >= progress.least);
    demand(seen.every((step, at) => at === 0 || step > seen[at - 1]), `progress was ${seen}`);
    return `${seen.length} steps`;
  },
  async log(connection, { log }) {
    const before = connection.heard.length;
    const heard = () => connection.heard.slice(before).some((said) => said.includes(log.contains));
    for (let more = 3; ; more -= 1) {
      await tool(connection, log);
      try {
        await eventually('a log message', heard, 2);
        return `${connection.heard.length - before} messages`;
      } catch (error) {
        if (more === 0) throw error;
      }
    }
  },
  async elicitation(connection, { elicitation }) {
    return contains(elicitation.contains, await tool(connection, elicitation));
  },
  async sampling(connection, { sampling }) {
    return contains(sampled, await tool(connection, sampling));
  },
  async roots(connection, { roots }) {
    return contains(root, await tool(connection, roots));
  },
  async changed(connection, { changed }) {
    const told = await connection.news();
    await tool(connection, changed);
    await within(10, 'the news', told());
    return 'told';
  },
  async cancel(connection, { cancel, call }) {
    const up = new AbortController();
    let ended = false;
    const waiting = connection.call(cancel.tool, cancel.arguments, { signal: up.signal }).then(
      ([said]) => (ended = `it was answered ${said}`),
      (error) => (ended = error.message),
    );
    if (cancel.began) await eventually('the call begins', () => ended !== false || existsSync(cancel.began));
    else await sleep(500);
    demand(ended === false, `it ended by itself: ${ended}`);
    up.abort('given up');
    await within(10, 'the call ends here', waiting);
    if (cancel.cancelled) await eventually('the server hears of it', () => existsSync(cancel.cancelled));
    contains(call.contains, await tool(connection, call));
    return cancel.cancelled ? 'the server heard of it' : 'the next call was answered';
  },
};

export async function main(connect) {
  const [client, mode, targets] = process.argv.slice(2);
  for (const target of JSON.parse(readFileSync(targets, 'utf8'))) {
    const line = (check, result, detail) =>
      console.log([client, target.server, check, result, detail.replaceAll(/[\t\n]/g, ' ').slice(0, 300)].join('\t'));
    const fail = (check, error) => line(check, 'FAIL', `${error.name}: ${error.message}`);
    let connection;
    try {
      connection = await within(secondsPerConnection, 'connected', connect(target, mode));
    } catch (error) {
      fail('connect', error);
      continue;
    }
    line('connect', 'ok', connection.revision);
    for (const [check, step] of Object.entries(target.ask)) {
      if (step === null) continue;
      try {
        line(check, 'ok', await within(secondsPerCheck, check, checks[check](connection, target.ask)));
      } catch (error) {
        fail(check, error);
      }
    }
    try {
      await within(10, 'closed', connection.close());
      line('close', 'ok', '');
    } catch (error) {
      fail('close', error);
    }
  }
  process.exit(0);
}
