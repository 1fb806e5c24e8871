// The checks of the table with the official TypeScript SDK 2.x. MODE is `legacy`, `auto`, a revision to insist on, or
// `default` for what the SDK does unasked. NODE_MODULES names the folder where the SDK is installed.

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { main, root, sampled, textOf } from '../checks.mjs';

const require = createRequire(`${process.env.NODE_MODULES}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const { Client, LOG_LEVEL_META_KEY, StreamableHTTPClientTransport } = await load('@modelcontextprotocol/client');
const { StdioClientTransport } = await load('@modelcontextprotocol/client/stdio');

class Connection {
  heard = [];
  changes = 0;
  // In the era without sessions a request has to say which messages it wants to hear.
  meta = {};

  async open({ url, command, answer }, mode) {
    const modes = { default: {}, legacy: { mode: 'legacy' }, auto: { mode: 'auto' } };
    this.client = new Client(
      { name: 'stdiod-interop', version: '1.0.0' },
      {
        capabilities: { elicitation: {}, roots: {}, sampling: {} },
        ...(mode !== 'default' && { versionNegotiation: modes[mode] ?? { mode: { pin: mode } } }),
      },
    );
    this.client.onerror = (error) => console.error(error.message);
    this.client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: answer }));
    this.client.setRequestHandler('roots/list', () => ({ roots: [{ uri: root, name: 'root' }] }));
    this.client.setRequestHandler('sampling/createMessage', () => ({
      role: 'assistant',
      content: { type: 'text', text: sampled },
      model: 'none',
      stopReason: 'endTurn',
    }));
    this.client.setNotificationHandler('notifications/message', ({ params }) => this.heard.push(String(params.data)));
    this.client.setNotificationHandler('notifications/tools/list_changed', () => (this.changes += 1));
    const transport = url
      ? new StreamableHTTPClientTransport(new URL(url))
      : new StdioClientTransport({ command: command[0], args: command.slice(1), env: process.env, stderr: 'inherit' });
    await this.client.connect(transport);
    this.revision = this.client.getNegotiatedProtocolVersion();
    this.modern = this.client.getProtocolEra() === 'modern';
    if (this.modern) this.meta = { _meta: { [LOG_LEVEL_META_KEY]: 'debug' } };
    else if (this.client.getServerCapabilities().logging) await this.client.setLoggingLevel('debug');
    return this;
  }

  async tools() {
    return (await this.client.listTools()).tools.map((tool) => tool.name);
  }

  async call(name, given, options = {}) {
    // In rounds the SDK tells of its own answers as progress of the call, beside that of the server.
    const { onprogress } = options;
    const ofServer = (step) => step.message?.startsWith('Fulfilling input required') || onprogress(step);
    const asked = { ...options, ...(onprogress && { onprogress: ofServer }) };
    const result = await this.client.callTool({ name, arguments: given, ...this.meta }, asked);
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

  // Gives what waits for news of the tools. Both eras bring them to the same handler, but in the one they have to be
  // subscribed to.
  async news() {
    const subscription = this.modern && (await this.client.listen({ toolsListChanged: true }));
    const before = this.changes;
    return async () => {
      while (this.changes === before) await new Promise((resolve) => setTimeout(resolve, 20));
      if (subscription) await subscription.close();
    };
  }

  close() {
    return this.client.close();
  }
}

await main((target, mode) => new Connection().open(target, mode));
