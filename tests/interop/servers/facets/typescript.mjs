// The facets server on the official TypeScript SDK 2.x, which speaks both eras over stdio: the first request that is not
// a probe decides. What the facets servers have in common is told in python.py beside it. NODE_MODULES names the folder
// where the SDK is installed.

import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.env.NODE_MODULES}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const { McpServer, inputRequired, inputResponse } = await load('@modelcontextprotocol/server');
const { serveStdio } = await load('@modelcontextprotocol/server/stdio');
const { z } = await load('zod');

const notes = process.env.FACETS_NOTES;
const note = (name) => writeFileSync(join(notes, name), '');
const text = (said) => ({ content: [{ type: 'text', text: said }] });

// A tool that asks `request` of the client, and says what `read` makes of the answer.
function asking(server, name, request, read) {
  server.registerTool(name, {}, (context) => {
    const answer = inputResponse(context.mcpReq.inputResponses, 'facet');
    if (answer.kind === 'missing') return inputRequired({ inputRequests: { facet: request } });
    return text(read(answer));
  });
}

function facets() {
  const server = new McpServer(
    { name: 'facets-typescript', version: '1.0.0' },
    { instructions: 'Ask for the facets.', capabilities: { logging: {}, tools: { listChanged: true } } },
  );
  const tool = (name, inputSchema, run) => server.registerTool(name, { inputSchema: z.object(inputSchema) }, run);
  tool('echo', { message: z.string() }, ({ message }) => text(message));
  tool('add', { a: z.number(), b: z.number() }, ({ a, b }) => text(String(a + b)));
  tool('steps', { count: z.number() }, async ({ count }, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken;
    for (let progress = 1; progress <= count && progressToken !== undefined; progress += 1) {
      const params = { progressToken, progress, total: count, message: `step ${progress}` };
      await mcpReq.notify({ method: 'notifications/progress', params });
      await sleep(10);
    }
    return text(`${count} steps`);
  });
  tool('log', { text: z.string() }, async (given, { mcpReq }) => {
    await mcpReq.log('warning', given.text, 'facets');
    return text('logged');
  });
  const colour = { type: 'object', properties: { colour: { type: 'string' } }, required: ['colour'] };
  asking(
    server,
    'elicit',
    inputRequired.elicit({ message: 'Which colour?', requestedSchema: colour }),
    (answer) => `the colour is ${answer.content.colour}`,
  );
  const said = { role: 'user', content: { type: 'text', text: 'Say something.' } };
  asking(
    server,
    'sample',
    inputRequired.createMessage({ messages: [said], maxTokens: 20 }),
    (answer) => `the model said ${answer.result.content.text}`,
  );
  asking(server, 'roots', inputRequired.listRoots(), (answer) => answer.roots.map((root) => root.uri).join(' '));
  tool('change', {}, () => {
    server.sendToolListChanged();
    return text('announced');
  });
  // Is there until it is cancelled, and leaves a note that it was.
  tool('wait', { note: z.string() }, async (given, { mcpReq }) => {
    note(`${given.note}.began`);
    try {
      await sleep(60_000, undefined, { signal: mcpReq.signal });
    } catch (error) {
      note(`${given.note}.cancelled`);
      throw error;
    }
    return text('nobody cancelled this');
  });
  tool('revision', {}, () => text(server.server.getNegotiatedProtocolVersion()));
  server.registerResource('greeting', 'facets://greeting', { mimeType: 'text/plain' }, ({ href }) => ({
    contents: [{ uri: href, mimeType: 'text/plain', text: 'hello from a resource' }],
  }));
  server.registerPrompt('greet', { argsSchema: z.object({ name: z.string() }) }, ({ name }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Say hello to ${name}.` } }],
  }));
  return server;
}

serveStdio(facets, { onerror: (error) => console.error(error.message) });
