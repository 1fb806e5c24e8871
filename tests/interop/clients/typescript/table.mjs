// The checks of the table with the official TypeScript SDK 1.x, which knows no other era than that of `initialize`.
// NODE_MODULES names the folder where the SDK is installed.

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { main, root, sampled, textOf } from '../checks.mjs';

const require = createRequire(`${process.env.NODE_MODULES}/`);
const sdk = (path) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${path}`)).href);
const { Client } = await sdk('client/index.js');
const { StdioClientTransport } = await sdk('client/stdio.js');
const { StreamableHTTPClientTransport } = await sdk('client/streamableHttp.js');
const {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ToolListChangedNotificationSchema,
} = await sdk('types.js');

class Connection {
  heard = [];
  changes = 0;

  async open({ url, command, answer }) {
    this.client = new Client(
      { name: 'stdiod-interop', version: '1.0.0' },
      { capabilities: { elicitation: {}, roots: {}, sampling: {} } },
    );
    this.client.onerror = (error) => console.error(error.message);
    this.client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: answer }));
    this.client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: root, name: 'root' }] }));
    this.client.setRequestHandler(CreateMessageRequestSchema, () => ({
      role: 'assistant',
      content: { type: 'text', text: sampled },
      model: 'none',
      stopReason: 'endTurn',
    }));
    this.client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => {
      this.heard.push(String(params.data));
    });
    this.client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
      this.changes += 1;
    });
    this.transport = url
      ? new StreamableHTTPClientTransport(new URL(url))
      : new StdioClientTransport({ command: command[0], args: command.slice(1), env: process.env, stderr: 'inherit' });
    // The transport is told the negotiated revision; over stdio it has no use for it.
    this.transport.setProtocolVersion ??= () => {};
    const learn = this.transport.setProtocolVersion.bind(this.transport);
    this.transport.setProtocolVersion = (revision) => {
      this.revision = revision;
      learn(revision);
    };
    await this.client.connect(this.transport);
    if (this.client.getServerCapabilities().logging) await this.client.setLoggingLevel('debug');
    return this;
  }

  async tools() {
    return (await this.client.listTools()).tools.map((tool) => tool.name);
  }

  async call(name, given, options) {
    const result = await this.client.callTool({ name, arguments: given }, undefined, options);
    return [textOf(result.content), result.isError === true];
  }

  async prompts() {
    return (await this.client.listPrompts()).prompts.map((prompt) => prompt.name);
  }

  async prompt(name, given) {
    const { messages } = await this.client.getPrompt({ name, arguments: given });
    return textOf(messages.map((message) => message.content));
  }

  async resources() {
    return (await this.client.listResources()).resources.map((resource) => resource.uri);
  }

  async read(uri) {
    return (await this.client.readResource({ uri })).contents.map((content) => content.text).join('\n');
  }

  async news() {
    const before = this.changes;
    return async () => {
      while (this.changes === before) await new Promise((resolve) => setTimeout(resolve, 20));
    };
  }

  async close() {
    await this.transport.terminateSession?.();
    await this.client.close();
  }
}

await main((target) => new Connection().open(target));
