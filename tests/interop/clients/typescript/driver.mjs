// The checks of the laboratory with the official TypeScript SDK 1.x. MODE is `http` for Streamable HTTP, or `sse` for the
// client of HTTP+SSE. NODE_MODULES names the folder where the SDK is installed.

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Held, demand, drive, textOf } from '../drive.mjs';

const require = createRequire(`${process.env.NODE_MODULES}/`);
const sdk = (path) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${path}`)).href);
const { Client } = await sdk('client/index.js');
const { SSEClientTransport } = await sdk('client/sse.js');
const { StreamableHTTPClientTransport } = await sdk('client/streamableHttp.js');
const { CreateMessageRequestSchema, ElicitRequestSchema } = await sdk('types.js');

class Connection extends Held {
  dropped = 0;

  async open({ url, sse }, mode, answers) {
    const capabilities = answers === undefined ? {} : { elicitation: {}, sampling: {} };
    this.client = new Client({ name: 'stdiod-interop', version: '1.0.0' }, { capabilities });
    // A stream that breaks is the transport's own affair; a call that fails says so itself.
    this.client.onerror = (error) => {
      console.error(error.message);
      // The client of HTTP+SSE takes the answer before an event that was there first, when one piece brought both.
      if (mode === 'sse' && error.message.startsWith('Received a progress notification for an unknown token')) {
        this.dropped += 1;
      }
    };
    if (answers !== undefined) {
      this.client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'accept', content: answers.content }));
      this.client.setRequestHandler(CreateMessageRequestSchema, async () => ({
        role: 'assistant',
        content: { type: 'text', text: answers.said },
        model: 'none',
        stopReason: 'endTurn',
      }));
    }
    this.transport =
      mode === 'sse' ? new SSEClientTransport(new URL(sse)) : new StreamableHTTPClientTransport(new URL(url));
    const { setProtocolVersion } = this.transport;
    this.transport.setProtocolVersion = (revision) => {
      this.revision = revision;
      setProtocolVersion.call(this.transport, revision);
    };
    await this.client.connect(this.transport);
    this.session = this.transport.sessionId;
    return this;
  }

  async tools() {
    const { tools } = await this.client.listTools();
    demand(this.transport.sessionId === this.session, 'it has another session');
    return tools.length;
  }

  async prompts() {
    return (await this.client.listPrompts()).prompts.length;
  }

  async resources() {
    return (await this.client.listResources()).resources.length;
  }

  async call(name, given, options) {
    const result = await this.client.callTool({ name, arguments: given }, undefined, options);
    return [textOf(result.content), result.isError === true];
  }
}

await drive((where, mode, answers) => new Connection().open(where, mode, answers));
