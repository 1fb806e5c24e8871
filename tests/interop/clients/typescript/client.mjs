// The official TypeScript SDK as a client of each server of the plan.
//
//   node client.mjs NAME URL PLAN
//
// `{server}` in URL stands for the server's name. Prints a line per check: client, server, check, `ok` or `FAIL`,
// and a detail, separated by tabs. Run it where the SDK is installed: NODE_MODULES names that folder.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.env.NODE_MODULES}/`);
const sdk = (path) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${path}`)).href);
const { Client } = await sdk('client/index.js');
const { StreamableHTTPClientTransport } = await sdk('client/streamableHttp.js');
const { CreateMessageRequestSchema } = await sdk('types.js');

const secondsPerServer = 60;
const answer = 'an answer made by the client';

async function connected(url, capabilities, use) {
  const client = new Client({ name: 'stdiod-interop', version: '1.0.0' }, { capabilities });
  if (capabilities.sampling) {
    client.setRequestHandler(CreateMessageRequestSchema, async () => ({
      role: 'assistant',
      content: { type: 'text', text: answer },
      model: 'none',
      stopReason: 'endTurn',
    }));
  }
  const transport = new StreamableHTTPClientTransport(new URL(url));
  try {
    await client.connect(transport);
    await use(client, transport);
    await transport.terminateSession();
  } finally {
    await client.close();
  }
}

function expect(call, result) {
  const text = result.content.filter((item) => item.type === 'text').map((item) => item.text).join('\n');
  if (result.isError) throw new Error(`the tool failed: ${text}`);
  if (!text.includes(call.contains)) throw new Error(`'${call.contains}' is not in '${text.slice(0, 200)}'`);
}

async function check(url, entry, ok) {
  await connected(url, {}, async (client, transport) => {
    ok('connect', `${client.getServerVersion().name}, ${transport.protocolVersion}`);
    const offers = client.getServerCapabilities();
    const { tools } = await client.listTools();
    if (tools.length === 0) throw new Error('no tools');
    ok('tools', `${tools.length} tools`);
    if (offers.prompts) ok('prompts', `${(await client.listPrompts()).prompts.length} prompts`);
    if (offers.resources) {
      const { resources } = await client.listResources();
      const { resourceTemplates } = await client.listResourceTemplates();
      ok('resources', `${resources.length} resources, ${resourceTemplates.length} templates`);
    }
    const { call, progress } = entry;
    expect(call, await client.callTool({ name: call.tool, arguments: call.arguments }));
    ok('call', `${call.tool} answered`);
    if (progress) {
      const seen = [];
      const options = { onprogress: (step) => seen.push(step.progress) };
      const params = { name: progress.tool, arguments: progress.arguments };
      expect(progress, await client.callTool(params, undefined, options));
      const rising = seen.every((value, at) => at === 0 || value > seen[at - 1]);
      if (seen.length === 0 || !rising) throw new Error(`progress was ${seen}`);
      ok('progress', `${seen.length} steps`);
    }
  });
  ok('close', 'closed');

  if (entry.ask) {
    await connected(url, { sampling: {} }, async (client) => {
      const { ask } = entry;
      expect(ask, await client.callTool({ name: ask.tool, arguments: ask.arguments }));
      ok('ask', `${ask.tool} asked and was answered`);
    });
  }
}

const [name, url, plan] = process.argv.slice(2);
let failed = 0;
for (const entry of JSON.parse(readFileSync(plan, 'utf8').replaceAll('{client}', name))) {
  let last = 'nothing';
  const print = (what, result, detail) =>
    console.log([name, entry.server, what, result, String(detail).replaceAll(/[\t\n]/g, ' ')].join('\t'));
  const ok = (what, detail) => {
    last = what;
    print(what, 'ok', detail);
  };
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${secondsPerServer} s`)), secondsPerServer * 1000);
  });
  try {
    await Promise.race([check(url.replace('{server}', entry.server), entry, ok), limit]);
  } catch (error) {
    failed += 1;
    console.error(error);
    print(`after ${last}`, 'FAIL', error.message ?? error);
  } finally {
    clearTimeout(timer);
  }
}
process.exit(failed === 0 ? 0 : 1);
