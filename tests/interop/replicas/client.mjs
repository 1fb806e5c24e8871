// The official TypeScript SDK as a client that holds sessions.
//
// Obeys commands from standard input, one JSON object a line, and answers each with one line: `{"is": …}` or
// `{"error": …}`. The Python one beside it obeys the same commands; replicas.py gives them. NODE_MODULES names
// the folder where the SDK is installed.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.env.NODE_MODULES}/`);
const sdk = (path) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${path}`)).href);
const { Client } = await sdk('client/index.js');
const { StreamableHTTPClientTransport } = await sdk('client/streamableHttp.js');
const { CreateMessageRequestSchema } = await sdk('types.js');

// A session, with what went over its wire and what it was told.
class Held {
  greetings = 0;
  streams = [];
  told = [];

  async open({ url, asked }) {
    const capabilities = asked ? { sampling: {} } : {};
    this.client = new Client({ name: 'stdiod-interop', version: '1.0.0' }, { capabilities });
    this.client.fallbackNotificationHandler = async ({ method }) => this.told.push(method);
    // A stream that breaks is the transport's own affair; a call that fails says so itself.
    this.client.onerror = (error) => console.error(error.message);
    if (asked) {
      this.client.setRequestHandler(CreateMessageRequestSchema, async () => ({
        role: 'assistant',
        content: { type: 'text', text: 'an answer made by the client' },
        model: 'none',
        stopReason: 'endTurn',
      }));
    }
    this.transport = new StreamableHTTPClientTransport(new URL(url), { fetch: (...to) => this.fetch(...to) });
    await this.client.connect(this.transport);
    return this.transport.protocolVersion;
  }

  async fetch(url, init) {
    if (init.method === 'POST' && JSON.parse(init.body).method === 'initialize') this.greetings += 1;
    const response = await fetch(url, init);
    if (init.method === 'GET') this.streams.push(response.status);
    return response;
  }

  async call({ tool, arguments: given }) {
    const result = await this.client.callTool({ name: tool, arguments: given }, undefined, { timeout: 20_000 });
    const text = result.content.filter((item) => item.type === 'text').map((item) => item.text).join('\n');
    if (result.isError) throw new Error(`the tool failed: ${text}`);
    return text;
  }
}

const held = {};

async function obey({ do: what, session, ...told }) {
  if (what === 'open') {
    held[session] = new Held();
    return held[session].open(told);
  }
  const one = held[session];
  switch (what) {
    case 'tools':
      return (await one.client.listTools()).tools.length;
    case 'call':
      return one.call(told);
    case 'wire':
      return { greetings: one.greetings, streams: one.streams, told: one.told };
    default:
      throw new Error(`no command ${what}`);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let said;
  try {
    said = { is: (await obey(JSON.parse(line))) ?? null };
  } catch (error) {
    said = { error: `${error.name}: ${error.message}` };
  }
  console.log(JSON.stringify(said));
}
process.exit(0);
